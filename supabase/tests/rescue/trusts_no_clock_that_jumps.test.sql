begin;
select plan(32);

-- SETUP: well after the database's start, so that silence counts; a rescue once a minute
select tests.empty_queue();
select tests.step_clock('1 day');
select tests.create_user(p_max_in_progress => 100) as owner \gset
update fairlane_core.job_runs set period = '1 minute' where job = 'rescue';
-- A running task whose holder gave its last sign p_silence ago.
create function pg_temp.held(p_owner uuid, p_worker_id text, p_silence interval, p_type text default 'clip')
returns uuid language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in('In Progress', p_owner, p_type, p_worker_id, 1);
begin
  update public.tasks
  set claimed_at = fairlane_core.now() - p_silence, generation_started_at = fairlane_core.now() - p_silence
  where id = v_task_id;
  return v_task_id;
end;
$$;
create function pg_temp.lost() returns text language sql as $$
  select string_agg(l.cause, ' ' order by l.cause) from fairlane_core.stalled_tasks() as l;
$$;
create function pg_temp.forget_looks() returns void language sql as $$
  update fairlane_core.clock_watch
  set looked_at = null, is_steady = false, trusted_since = '-infinity', set_back_at = null, set_back_until = null;
$$;
-- A look at this time of day.
create function pg_temp.look(p_time text) returns text language plpgsql as $$
begin
  perform fairlane_core.watch_clock(('2026-11-28 ' || p_time || '+00')::timestamptz);
  return (select case when w.trusted_since = fairlane_core.now() then 'measured anew' else 'as before' end from fairlane_core.clock_watch as w);
end;
$$;

-- TEST: looks that come when they should
select pg_temp.forget_looks();
select is(pg_temp.look('12:00:00'), 'as before', 'The first look sees no gap');
select is(pg_temp.look('12:01:00'), 'as before', 'A minute later is in time');
select is(pg_temp.look('12:02:10'), 'as before', 'Seventy seconds, within which no live worker exceeds its timeout, are in time');
select is(pg_temp.look('12:02:00'), 'as before', 'Ten seconds back is a clock set right');

-- TEST: a gap measures everything anew, once
select is(pg_temp.look('12:03:10.000001'), 'measured anew', 'More than that is a gap');
select tests.step_clock('1 second');
select is(pg_temp.look('12:06:00'), 'as before', 'A second gap on its heels is no news');
select is(pg_temp.look('12:07:00'), 'as before', 'A look in time');
select is(pg_temp.look('12:09:00'), 'as before', 'Nor while no full silence has been judged since');
select tests.step_clock('99 seconds');
select pg_temp.look('12:10:00');
select is(pg_temp.look('12:12:00'), 'measured anew', 'After that, and a look in time, a gap counts again');

-- TEST: every silence and every run begins anew after a gap of an hour
select pg_temp.forget_looks();
select pg_temp.held(:'owner', 'gpu-beats', '1 hour');
insert into public.workers (id, status, last_heartbeat) values ('gpu-beats', 'active', fairlane_core.now() - interval '1 hour');
select pg_temp.held(:'owner', 'gpu-never-beat', '1 hour');
select pg_temp.held(:'owner', 'api-worker-main', '1 hour', 'edit_image');
select pg_temp.held(:'owner', 'laptop', '61 minutes') as own \gset
select tests.with_token(:'owner') as own_token \gset
update public.tasks set token_id = tests.token_id(:'own_token') where id = :'own';
select pg_temp.held(:'owner', 'gpu-undelivered', '1 hour');
insert into public.workers (id, status, last_heartbeat) values ('gpu-undelivered', 'active', fairlane_core.now());
select pg_temp.held(:'owner', 'gpu-long', '1 hour') as timed \gset
update public.tasks set timeout = '30 minutes' where id = :'timed';
select is(
  pg_temp.lost(), 'caller_silent caller_silent never_delivered timed_out worker_silent worker_silent',
  'Watched all the time, each of them would be lost'
);
select pg_temp.look('12:00:00');
select is(pg_temp.look('13:00:30'), 'measured anew', 'An hour passed between two looks');
select is(pg_temp.lost(), null, 'Nobody is lost for that');
select tests.step_clock('100 seconds');
select is(pg_temp.lost(), null, 'Nor within the limit of silence');
select tests.step_clock('0.000001 seconds');
select is(
  pg_temp.lost(), 'worker_silent worker_silent worker_silent worker_silent', 'Whoever stays silent is, a microsecond later'
);
update public.workers set last_heartbeat = fairlane_core.now();
select is(pg_temp.lost(), 'worker_silent worker_silent', 'The two that send heartbeats are not');
select tests.step_clock('6 minutes');
select ok(pg_temp.lost() like '%caller_silent%', 'An api worker has its own limit');
select tests.step_clock('24 minutes');
select ok(pg_temp.lost() like '%timed_out%', 'A timeout runs from the gap');

-- TEST: who has ended has ended, whatever the clock says
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select pg_temp.forget_looks();
insert into public.workers (id, status, last_heartbeat) values ('gpu-over', 'active', fairlane_core.now());
select pg_temp.held(:'owner', 'gpu-over', '10 seconds');
-- Past the trigger that would put its work back at once.
set local fairlane_core.mode = 'rescues';
update public.workers set status = 'terminated' where id = 'gpu-over';
set local fairlane_core.mode = '';
select pg_temp.look('12:00:00');
select pg_temp.look('13:00:00');
select is(pg_temp.lost(), 'worker_ended', 'Work of a terminated worker is lost also after a gap');

-- TEST: a step back shields nobody
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select pg_temp.forget_looks();
select pg_temp.held(:'owner', 'gpu-dead', '1 second');
select pg_temp.held(:'owner', 'gpu-alive', '1 second');
insert into public.workers (id, status, last_heartbeat) values ('gpu-dead', 'active', fairlane_core.now()), ('gpu-alive', 'active', fairlane_core.now());
select pg_temp.look('12:00:00');
select tests.step_clock('-1 hour');
select is(pg_temp.lost(), null, 'Before anybody has noticed, a time yet to come is no silence');
select is(pg_temp.look('11:00:30'), 'measured anew', 'A step back is a gap, too');
select is(pg_temp.lost(), null, 'At first nobody is lost for it');
select tests.step_clock('100 seconds');
update public.workers set last_heartbeat = fairlane_core.now() where id = 'gpu-alive';
select is(pg_temp.lost(), null, 'Nor within the limit');
select tests.step_clock('1 second');
select is(pg_temp.lost(), 'worker_silent', 'The dead one is then, an hour before the time of its last heartbeat comes again');
select is(fairlane_core.rescue()::jsonb, '{"requeue_lost": 1, "workers_set_to_error": 1}', 'And is set to error');
select is(
  (select w.status from public.workers as w where w.id = 'gpu-alive'), 'active', 'The one that sends heartbeats is left alone'
);

-- TEST: what counts as yet to come
update fairlane_core.clock_watch set set_back_at = fairlane_core.now() - interval '5 minutes', set_back_until = fairlane_core.now() + interval '1 hour';
select is(fairlane_core.seen_at(fairlane_core.now() + interval '10 seconds', fairlane_core.now()), fairlane_core.now() + interval '10 seconds', 'Ten seconds ahead is now');
select is(
  fairlane_core.seen_at(fairlane_core.now() + interval '10.000001 seconds', fairlane_core.now()), fairlane_core.now() - interval '5 minutes', 'More was given before the step back'
);
select is(fairlane_core.seen_at(fairlane_core.now() - interval '1 day', fairlane_core.now()), fairlane_core.now() - interval '1 day', 'The past stays');
select is(fairlane_core.seen_at(null, fairlane_core.now()), null, 'Never stays never');
update fairlane_core.clock_watch set set_back_until = fairlane_core.now();
select is(
  fairlane_core.seen_at(fairlane_core.now() + interval '1 hour', fairlane_core.now()), fairlane_core.now() + interval '1 hour', 'Once the clock has caught up, there is no such time'
);

-- TEST: ahead and back between two looks
select pg_temp.forget_looks();
update public.workers set last_heartbeat = fairlane_core.now() + interval '1 hour' where id = 'gpu-alive';
select pg_temp.look('12:00:00');
select is(
  fairlane_core.seen_at(fairlane_core.now() + interval '1 hour', fairlane_core.now()), fairlane_core.now(), 'A sign of a time yet to come says that the clock has gone back'
);

-- TEST: each rescue looks
update fairlane_core.clock_watch set looked_at = null;
select fairlane_core.rescue();
select isnt((select w.looked_at from fairlane_core.clock_watch as w), null, 'fairlane_core.rescue() looks at the clock');

select * from finish();
rollback;
