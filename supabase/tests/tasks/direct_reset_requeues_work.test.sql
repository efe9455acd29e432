begin;
select plan(19);

-- SETUP: the PATCH that an orchestrator sends for a failed worker, as the role it comes with
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_task_in('In Progress', :'owner') as task \gset
select lease_token as lease from public.tasks where id = :'task' \gset
select tests.step_clock('1 minute');
select fairlane_core.now() as now \gset
select tests.authenticate_as('service_role');
update public.tasks
set status = 'Queued', worker_id = null, generation_started_at = null, generation_processed_at = null,
  error_message = 'Reset - orphaned from failed worker', updated_at = '2001-01-01'
where id in (:'task');

-- TEST: the task is nobody's and ready
select is((tests.task(:'task')).status, 'Queued', 'A reset puts the task back');
select is((tests.task(:'task')).lease_token, null, 'Its lease is void');
select is((tests.task(:'task')).worker_id, null, 'It has no worker');
select is((tests.task(:'task')).generation_started_at, null, 'Nothing is billed');
select is((tests.task(:'task')).readiness, 'ready', 'It is ready');
select is((tests.task(:'task')).attempts, 1, 'The lost attempt stays counted');
select is((tests.task(:'task')).error_message, 'Reset - orphaned from failed worker', 'The reason is on the task');
select is((tests.task(:'task')).updated_at, :'now'::timestamptz, 'The task has changed now, whatever time a client sends');
select tests.clear_authentication();
select is(
  (select row(e.from_status, e.to_status, e.reason, e.actor, e.worker_id)::text
   from public.task_events as e where e.task_id = :'task' order by e.id desc limit 1),
  row('In Progress', 'Queued', 'Reset - orphaned from failed worker', 'service_role', 'gpu-holder')::text,
  'The history says who put it back from whom, and why'
);

-- TEST: attempts are the queue's to count, also where a client counts them itself
select tests.authenticate_as('service_role');
update public.tasks set attempts = 9 where id = :'task';
select is((tests.task(:'task')).attempts, 1, 'A PATCH cannot raise attempts');
select tests.clear_authentication();
select tests.claim('gpu-2');
select tests.authenticate_as('service_role');
update public.tasks
set status = 'Queued', worker_id = null, attempts = 2, error_message = 'Reset - orphaned from API worker timeout (attempt 2/3)'
where id = :'task';
select is((tests.task(:'task')).attempts, 2, 'A reset that counts along changes nothing');
update public.tasks set attempts = 0 where id = :'task';
select is((tests.task(:'task')).attempts, 2, 'A PATCH cannot lower attempts');
select tests.clear_authentication();

-- TEST: the worker's own fatal error, which comes in error_details
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-fatal') as fatal \gset
select tests.authenticate_as('service_role');
update public.tasks
set status = 'Queued', worker_id = null, generation_started_at = null, error_details = 'FATAL cuda_driver: device lost'
where id = :'fatal' and worker_id = 'gpu-fatal' and status = 'In Progress';
select tests.clear_authentication();
select is((tests.task(:'fatal')).error_details, 'FATAL cuda_driver: device lost', 'The text is on the task');
select is(
  (select e.reason from public.task_events as e where e.task_id = :'fatal' order by e.id desc limit 1),
  'FATAL cuda_driver: device lost', 'And in its history'
);

-- TEST: columns that prove a claim are not a client's to write
select tests.authenticate_as('service_role');
create function pg_temp.refuses_column(p_column text, p_value text) returns text language sql as $$
  select throws_ok(
    format('update public.tasks set %I = %L', p_column, p_value), '42501', null, 'A PATCH cannot set ' || p_column
  );
$$;
select pg_temp.refuses_column(c.name, c.value)
from (values
  ('lease_token', gen_random_uuid()::text), ('claim_id', 'c'), ('requeue_count', '1'), ('user_id', :'owner')
) as c (name, value);
select tests.clear_authentication();
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
