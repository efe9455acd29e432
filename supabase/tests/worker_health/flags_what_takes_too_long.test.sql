begin;
select plan(18);

-- SETUP: workers that beat and log, each with a task since a while; parts take a minute
select tests.empty_queue();
delete from public.system_logs;
delete from fairlane_core.type_durations;
select tests.create_user(p_max_in_progress => 50) as owner \gset
insert into public.workers (id, instance_type, status, created_at, last_heartbeat)
select w, 'gpu', 'active', fairlane_core.now() - interval '13 hours', fairlane_core.now()
from unnest(array['quick', 'slow', 'parrot', 'talker', 'conductor', 'odd']) as w;
create function pg_temp.running(p_worker_id text, p_for interval, p_type text default 'clip') returns uuid language plpgsql as $$
declare
  v_id uuid := tests.create_task_in('In Progress', (select id from public.users), p_type, p_worker_id);
begin
  update public.tasks set claimed_at = fairlane_core.now() - p_for, generation_started_at = fairlane_core.now() - p_for where id = v_id;
  return v_id;
end;
$$;
-- A line every five minutes, as far back as the task runs.
create function pg_temp.logs(p_worker_id text, p_task_id uuid, p_for interval, p_text text) returns void language sql as $$
  insert into public.system_logs ("timestamp", source_type, log_level, message, worker_id, task_id)
  select fairlane_core.now() - make_interval(mins => m), 'worker', 'INFO', format(p_text, m), p_worker_id, p_task_id::text
  from generate_series(0, (extract(epoch from p_for) / 60)::integer, 5) as m;
  update public.tasks set reported_at = fairlane_core.now(), delivered_at = claimed_at where id = p_task_id;
$$;
create function pg_temp.health(p_worker_id text) returns text language sql as $$
  select s.health from fairlane_core.worker_states(interval '30 minutes') as s where s.worker_id = p_worker_id;
$$;
create function pg_temp.complete(p_count integer, p_took interval, p_type text default 'clip') returns void language plpgsql as $$
begin
  for i in 1..p_count loop
    perform public.complete_task(tests.service(), pg_temp.running('done', p_took, p_type), 'https://x.test/o.mp4');
  end loop;
end;
$$;

-- TEST: the same again and again
select pg_temp.running('parrot', '12 hours', 'upscale') as parroted \gset
select pg_temp.logs('parrot', :'parroted', '12 hours', 'still working');
select is(pg_temp.health('parrot'), 'stuck_task', 'A worker that has said the same of its task for hours is stuck');
select is(
  (select s.task_quiet_since from fairlane_core.worker_states('30 minutes') as s where s.worker_id = 'parrot'), fairlane_core.now() - interval '12 hours',
  'Since it began to'
);
select pg_temp.logs('parrot', :'parroted', '0', 'at last');
select isnt(pg_temp.health('parrot'), 'stuck_task', 'A new word unflags it');
select pg_temp.running('talker', '90 minutes', 'upscale') as talked \gset
select pg_temp.logs('talker', :'talked', '90 minutes', 'step %s');
select is(pg_temp.health('talker'), 'healthy', 'One that says something new each time is not');
delete from public.system_logs where task_id = :'talked';
select pg_temp.logs('talker', :'talked', '15 minutes', 'loading');
select is(pg_temp.health('talker'), 'healthy', 'A text is news when it is said first');
select pg_temp.logs('talker', :'talked', '25 minutes', 'loading');
select is(pg_temp.health('talker'), 'stuck_task', 'But not for longer than stuck_after');

-- TEST: longer than usual, whatever it says
select pg_temp.running('slow', '40 minutes') as slow \gset
select pg_temp.logs('slow', :'slow', '40 minutes', 'step %s');
select is(pg_temp.health('slow'), 'healthy', 'While nobody knows what is usual, a start has two hours');
select pg_temp.complete(4, '1 minute');
select tests.step_clock('3 minutes');
select fairlane_core.advance_status_totals();
select tests.beat(w) from unnest(array['quick', 'slow', 'odd', 'conductor']) as w;
select is((select cardinality(d.durations) from fairlane_core.type_durations as d where d.task_type = 'clip'), 4, 'Completions tell what is usual');
select is(pg_temp.health('slow'), 'healthy', 'Four say little');
select pg_temp.complete(60, '1 minute');
select pg_temp.complete(1, '5 hours');
select tests.step_clock('3 minutes');
select fairlane_core.advance_status_totals();
select tests.beat(w) from unnest(array['quick', 'slow', 'odd', 'conductor']) as w;
select results_eq(
  $$ select cardinality(d.durations), d.usual from fairlane_core.type_durations as d where d.task_type = 'clip' $$,
  $$ values (50, interval '1 minute') $$, 'The last fifty count, and one that took hours does not change what is usual'
);
select is(pg_temp.health('slow'), 'overlong_task', 'Forty minutes are too long where one is usual');
select pg_temp.running('quick', '19 minutes') as quick \gset
select pg_temp.logs('quick', :'quick', '19 minutes', 'step %s');
select is(pg_temp.health('quick'), 'healthy', 'Nothing is too long before stuck_after');
update fairlane_core.settings set overlong_factor = 100;
select is(pg_temp.health('slow'), 'healthy', 'How many times too long is, is a setting');
select pg_temp.running('odd', '121 minutes', 'made up') as odd \gset
select pg_temp.logs('odd', :'odd', '121 minutes', 'step %s');
select is(pg_temp.health('odd'), 'overlong_task', 'Of a type that nobody knows two hours are');
update fairlane_core.settings set overlong_after = '3 hours';
select is(pg_temp.health('odd'), 'healthy', 'As another setting says');
select pg_temp.running('conductor', '13 hours', 'film_orchestrator');
select isnt(pg_temp.health('conductor'), 'overlong_task', 'Orchestration may take as long as its children');

-- TEST: what is kept
select is((select count(*)::integer from fairlane_core.type_durations as d where d.task_type = 'film_orchestrator'), 0, 'Nothing is noted of orchestration');
select tests.step_clock('31 days');
select pg_temp.complete(1, '1 minute', 'upscale');
select tests.step_clock('3 minutes');
select fairlane_core.advance_status_totals();
select set_eq('select task_type from fairlane_core.type_durations', array['upscale'], 'What was not run for a month is forgotten');

select * from finish();
rollback;
