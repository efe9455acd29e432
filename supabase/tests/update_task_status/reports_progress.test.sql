begin;
select plan(16);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner', 'film_orchestrator') as task \gset
select tests.claim('gpu-1');
select lease_token as lease, generation_started_at as started_at, updated_at as updated_at from public.tasks where id = :'task' \gset
select tests.step_clock('10 minutes');

-- TEST: a text, as often as the orchestrator likes
select public.update_task_status(tests.service(), :'task', 'In Progress', 'Successfully enqueued 3 tasks') as reply \gset
select is((tests.task(:'task')).output_location, 'Successfully enqueued 3 tasks', 'In Progress keeps the text in output_location');
select is((tests.task(:'task')).status, 'In Progress', 'The task goes on');
select is((tests.task(:'task')).lease_token, :'lease', 'Under the same lease');
select is((tests.task(:'task')).attempts, 1, 'At the same attempt');
select is((tests.task(:'task')).worker_id, 'gpu-1', 'With the same worker');
select is((tests.task(:'task')).generation_started_at, :'started_at', 'The billed part does not begin again');
select is((tests.task(:'task')).updated_at, fairlane_core.now(), 'The task shows a sign of life');
select is(:'reply'::jsonb ->> 'public_url', null, 'Progress is not answered as if it were a result');
select public.update_task_status(tests.service(), :'task', 'In Progress', '[IDEMPOTENT] 3 tasks');
select is((tests.task(:'task')).output_location, '[IDEMPOTENT] 3 tasks', 'A second text replaces the first');
select public.update_task_status(tests.service(), :'task', 'In Progress');
select is((tests.task(:'task')).output_location, '[IDEMPOTENT] 3 tasks', 'No text leaves it');

-- TEST: the start of the billed part
select tests.step_clock('1 minute');
select public.update_task_status(tests.service(), :'task', 'In Progress', p_reset_generation_started_at => true);
select is((tests.task(:'task')).generation_started_at, fairlane_core.now(), 'reset_generation_started_at begins the billed part now');

-- TEST: a report is proof that the worker has the task
select isnt((tests.task(:'task')).delivered_at, null, 'A report delivers the task');

-- TEST: progress is no change of state, so no event
select is(
  (select count(*)::integer from public.task_events where task_id = :'task'), 2, 'The history has the creation and the start'
);

-- TEST: handing a task back
select public.update_task_status(tests.service(), :'task', 'Queued', p_error_message => 'shutting down', p_lease_token => :'lease');
select row_eq(
  format('select t.status, t.worker_id, t.lease_token, t.generation_started_at from public.tasks as t where t.id = %L', :'task'),
  row('Queued'::text, null::text, null::uuid, null::timestamptz), 'A released task has no holder'
);
select is(
  (select e.reason from public.task_events as e where e.task_id = :'task' order by e.id desc limit 1), 'shutting down',
  'With the reason in its history'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
