begin;
select plan(34);

-- SETUP: well after the database's start, so that silence counts
select tests.empty_queue();
select tests.step_clock('1 hour');
select tests.create_user(p_max_in_progress => 100) as owner \gset
create function pg_temp.rescue() returns jsonb language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  v_reply := fairlane_core.rescue();
  reset role;
  return v_reply;
end;
$$;
-- A running task whose holder gave its last sign p_silence ago.
create function pg_temp.held(
  p_owner uuid, p_worker_id text, p_silence interval, p_type text default 'clip', p_attempts integer default 1
) returns uuid language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in('In Progress', p_owner, p_type, p_worker_id, p_attempts);
begin
  update public.tasks
  set claimed_at = fairlane_core.now() - p_silence, generation_started_at = fairlane_core.now() - p_silence
  where id = v_task_id;
  return v_task_id;
end;
$$;
create function pg_temp.worker(p_id text, p_last_beat interval, p_status text default 'active') returns text language sql as $$
  insert into public.workers (id, status, last_heartbeat) values (p_id, p_status, fairlane_core.now() - p_last_beat) returning id;
$$;
create function pg_temp.status_of(p_task_id uuid) returns text language sql as $$
  select t.status from public.tasks as t where t.id = p_task_id;
$$;

-- TEST: a gpu worker's silence, to the microsecond
select pg_temp.worker('gpu-in-time', '100 seconds');
select pg_temp.held(:'owner', 'gpu-in-time', '10 minutes') as in_time \gset
select pg_temp.worker('gpu-too-late', '100.000001 seconds');
select pg_temp.held(:'owner', 'gpu-too-late', '10 minutes') as too_late \gset
select is(pg_temp.rescue(), '{"requeue_lost": 1, "workers_set_to_error": 1}', 'One of the two is rescued');
select is(pg_temp.status_of(:'in_time'), 'In Progress', 'After 100 s of silence nothing happens');
select is(pg_temp.status_of(:'too_late'), 'Queued', 'A microsecond later the work is back');
select is((tests.task(:'too_late')).attempts, 1, 'The attempt counts');
select is((tests.task(:'too_late')).lease_token, null, 'The lease has ended');
select matches((tests.task(:'too_late')).error_message, 'worker gpu-too-late has been silent for 100 s', 'The task says why');
select is((select w.status from public.workers as w where w.id = 'gpu-too-late'), 'error', 'The worker is set to error');
select matches(
  (select w.metadata ->> 'error_reason' from public.workers as w where w.id = 'gpu-too-late'), 'silent for 100 s', 'With the reason'
);
select is((select w.status from public.workers as w where w.id = 'gpu-in-time'), 'active', 'The other worker is left alone');
select is(
  (select e.actor || ', ' || e.reason from public.task_events as e where e.task_id = :'too_late' order by e.id desc limit 1),
  'fairlane_core.rescue, Attempt 1 ended without a result: worker gpu-too-late has been silent for 100 s', 'The history tells it'
);
select is(pg_temp.rescue(), '{"requeue_lost": 0, "workers_set_to_error": 0}', 'A second rescue finds nothing');

-- TEST: no beat at all since the claim, with and without a row
select pg_temp.worker('gpu-old-beat', '1 hour', 'spawning');
select pg_temp.held(:'owner', 'gpu-old-beat', '101 seconds') as old_beat \gset
select pg_temp.held(:'owner', 'gpu-nobody-knows', '101 seconds') as unknown \gset
select pg_temp.held(:'owner', 'gpu-just-claimed', '99 seconds') as fresh \gset
select is(pg_temp.rescue() ->> 'requeue_lost', '2', 'Both are rescued, counted from the claim');
select matches((tests.task(:'old_beat')).error_message, 'gpu-old-beat sent no heartbeat since its claim, 101 s ago', 'It says that no heartbeat came');
select matches((tests.task(:'unknown')).error_message, 'gpu-nobody-knows sent no heartbeat', 'Also for a worker without a row');
select is(pg_temp.status_of(:'fresh'), 'In Progress', 'A fresh claim is given its 100 s');

-- TEST: a report is a sign of life
select pg_temp.held(:'owner', 'gpu-reports', '10 minutes') as reported \gset
select public.update_task_status(tests.service(), :'reported', 'In Progress', 'half');
select pg_temp.rescue();
select is(pg_temp.status_of(:'reported'), 'In Progress', 'Who has just reported is not silent');

-- TEST: workers that are going already keep their status
select pg_temp.worker('gpu-going', '5 minutes', 'terminating');
select pg_temp.held(:'owner', 'gpu-going', '10 minutes') as going \gset
select pg_temp.rescue();
select is(pg_temp.status_of(:'going'), 'Queued', 'Work of a terminating worker that fell silent is back');
select is((select w.status from public.workers as w where w.id = 'gpu-going'), 'terminating', 'And it stays terminating');

-- TEST: api workers and users' own machines never beat: limits of their own
select pg_temp.held(:'owner', 'api-worker-main', '7 minutes', 'edit_image') as api_in_time \gset
select pg_temp.held(:'owner', 'api-worker-main', '7 minutes 1 second', 'edit_image') as api_late \gset
select pg_temp.held(:'owner', 'laptop', '58 minutes') as own_in_time \gset
select pg_temp.held(:'owner', 'laptop', '58 minutes 1 second') as own_late \gset
select tests.with_token(:'owner') as own_token \gset
update public.tasks set token_id = tests.token_id(:'own_token') where id in (:'own_in_time', :'own_late');
select pg_temp.rescue();
select is(pg_temp.status_of(:'api_in_time'), 'In Progress', 'An api worker may be silent for 7 minutes');
select matches((tests.task(:'api_late')).error_message, 'api-worker-main gave no sign for 421 s', 'And no longer');
select is(pg_temp.status_of(:'own_in_time'), 'In Progress', 'A user''s machine for an hour, less two runs of the job');
select matches((tests.task(:'own_late')).error_message, 'machine laptop gave no sign for 3481 s', 'And no longer');

-- TEST: nobody at all, and NULLs
select pg_temp.held(:'owner', null, '101 seconds') as nobody \gset
select tests.create_task_in('In Progress', :'owner', p_worker_id => null, p_attempts => 0) as nulls \gset
update public.tasks set claimed_at = null, generation_started_at = null, updated_at = null, created_at = fairlane_core.now() - interval '1 day' where id = :'nulls';
update public.tasks set updated_at = null where id = :'nulls';
select tests.step_clock('101 seconds');
select pg_temp.rescue();
select matches((tests.task(:'nobody')).error_message, 'it had no worker', 'A running task without a worker is back');
select is(pg_temp.status_of(:'nulls'), 'Queued', 'Also one without any time');
select is((tests.task(:'nulls')).attempts, 1, 'Whose attempt counts now');

-- TEST: it says so in the end
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select pg_temp.held(:'owner', 'gpu-third', '5 minutes', p_attempts => 3) as worn \gset
select pg_temp.rescue();
select is(pg_temp.status_of(:'worn'), 'Failed', 'The third start was the last');
select matches(
  (tests.task(:'worn')).error_message, '^Given up after 3 attempts; the last one ended with: Attempt 3 .* gpu-third', 'With its story'
);
select is((tests.task(:'worn')).worker_id, 'gpu-third', 'And the worker that it took down');

-- TEST: never delivered: the worker beats, but nothing ever named the task
select pg_temp.worker('gpu-beats', '1 second');
select pg_temp.held(:'owner', 'gpu-beats', '15 minutes 1 second', p_attempts => 3) as lost \gset
select pg_temp.held(:'owner', 'gpu-beats', '15 minutes 1 second') as named \gset
update public.tasks set delivered_at = fairlane_core.now() where id = :'named';
select is(pg_temp.rescue(), '{"requeue_lost": 1, "workers_set_to_error": 0}', 'Only the one that never arrived is back');
select is((tests.task(:'lost')).attempts, 2, 'Its attempt is not counted');
select is(pg_temp.status_of(:'lost'), 'Queued', 'Even the third');

-- TEST: right after a start of the database nobody is judged
update fairlane_core.settings set gpu_heartbeat_timeout = '10 years';
select pg_temp.held(:'owner', 'gpu-of-old', '20 years') as of_old \gset
select is(pg_temp.rescue() ->> 'requeue_lost', '0', 'While the database is younger than the limit, silence means nothing');
update fairlane_core.settings set gpu_heartbeat_timeout = default;
select is(pg_temp.rescue() ->> 'requeue_lost', '1', 'Then it does');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
