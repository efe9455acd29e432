begin;
select plan(19);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create function pg_temp.worker_with_task(p_owner uuid, p_id text, p_attempts integer default 1) returns uuid language plpgsql as $$
begin
  insert into public.workers (id, status, last_heartbeat, metadata) values (p_id, 'active', fairlane_core.now(), '{"machine": "pod-1"}');
  return tests.create_task_in('In Progress', p_owner, p_worker_id => p_id, p_attempts => p_attempts);
end;
$$;

-- TEST: at once, whoever says it and however
select pg_temp.worker_with_task(:'owner', 'gpu-terminated') as terminated \gset
select pg_temp.worker_with_task(:'owner', 'gpu-error') as error \gset
select pg_temp.worker_with_task(:'owner', 'gpu-crashed') as crashed \gset
select pg_temp.worker_with_task(:'owner', 'gpu-deleted') as deleted \gset
select pg_temp.worker_with_task(:'owner', 'gpu-terminating') as terminating \gset
select pg_temp.worker_with_task(:'owner', 'gpu-active') as active \gset
select tests.authenticate_as('service_role');
update public.workers set status = 'terminated' where id = 'gpu-terminated';
update public.workers set status = 'error', metadata = '{"error_reason": "CUDA driver gone"}' where id = 'gpu-error';
update public.workers set status = 'crashed' where id = 'gpu-crashed';
delete from public.workers where id = 'gpu-deleted';
update public.workers set status = 'terminating' where id = 'gpu-terminating';
select tests.clear_authentication();
select is((tests.task(:'terminated')).status, 'Queued', 'Work of a terminated worker is back');
select matches((tests.task(:'error')).error_message, 'worker gpu-error is error \(CUDA driver gone\)', 'With the worker''s reason');
select is((tests.task(:'crashed')).readiness, 'ready', 'Work of a crashed worker is ready');
select matches((tests.task(:'deleted')).error_message, 'the row of worker gpu-deleted was deleted', 'Work of a deleted worker is back');
select is((tests.task(:'terminating')).status, 'In Progress', 'A terminating worker may finish');
select is((tests.task(:'active')).status, 'In Progress', 'Other workers go on');

-- TEST: also a worker that claimed before anybody made a row for it
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-unknown') as unknown \gset
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-late-row') as late \gset
select tests.authenticate_as('service_role');
insert into public.workers (id, status, metadata)
values ('gpu-unknown', 'error', '{"error_reason": "Failed to spawn"}'), ('gpu-late-row', 'spawning', '{}');
select tests.clear_authentication();
select matches((tests.task(:'unknown')).error_message, 'worker gpu-unknown is error \(Failed to spawn\)', 'A row that comes as error is an end, too');
select is((tests.task(:'late')).status, 'In Progress', 'One that comes as spawning is not');

-- TEST: counted once, also when the orchestrator resets the same tasks after it
select tests.authenticate_as('service_role');
update public.tasks
set status = 'Queued', worker_id = null, generation_started_at = null, error_message = 'Reset - orphaned from failed worker'
where id in (:'terminated', :'error');
select tests.clear_authentication();
select is((tests.task(:'terminated')).attempts, 1, 'A reset after it counts nothing more');
select is(tests.claim('gpu-next') is not null, true, 'The work is handed out again');

-- TEST: the last start
select pg_temp.worker_with_task(:'owner', 'gpu-third', 3) as worn \gset
update public.workers set status = 'crashed' where id = 'gpu-third';
select is((tests.task(:'worn')).status, 'Failed', 'A worker that crashes with the third start ends the task');
select isnt((tests.task(:'worn')).error_message, null, 'With a reason');

-- TEST: a claim that slipped in beside the worker's end is found by the rescue, without waiting for silence
select pg_temp.worker_with_task(:'owner', 'gpu-raced') as raced \gset
select set_config('fairlane_core.mode', 'rescues', true);
update public.workers set status = 'error' where id = 'gpu-raced';
select set_config('fairlane_core.mode', '', true);
select is((tests.task(:'raced')).status, 'In Progress', 'The trigger has not seen it');
select fairlane_core.rescue();
select is((tests.task(:'raced')).status, 'Queued', 'The rescue has');

-- TEST: what a token holds under the same id is not the fleet's
select pg_temp.worker_with_task(:'owner', 'laptop') as own \gset
select tests.with_token(:'owner') as own_token \gset
update public.tasks set token_id = tests.token_id(:'own_token') where id = :'own';
update public.workers set status = 'terminated' where id = 'laptop';
select is((tests.task(:'own')).status, 'In Progress', 'A user''s machine with the same id keeps its task');

-- TEST: a change that ends nothing puts nothing back
update public.workers set metadata = metadata || '{"error_reason": "still"}' where id = 'gpu-raced';
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-raced') as after \gset
update public.workers set metadata = metadata || '{"note": 1}' where id = 'gpu-raced';
select is((tests.task(:'after')).status, 'In Progress', 'A worker that ended before does not end again');

-- TEST: a hand-back burns no start, however often
select tests.create_task_in('In Progress', :'owner', p_attempts => 3) as handed \gset
select public.update_task_status(tests.service(), :'handed', 'Queued', p_error_message => 'shutting down');
select is((tests.task(:'handed')).status, 'Queued', 'Even the last attempt may be released');
select is((tests.task(:'handed')).attempts, 2, 'And is not counted');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
