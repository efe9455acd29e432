begin;
select plan(24);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_user(p_max_in_progress => 100) as other \gset
create function pg_temp.requeue(p_call text) returns jsonb language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  execute 'select public.requeue_tasks(' || p_call || ')' into v_reply;
  reset role;
  return v_reply;
end;
$$;
create function pg_temp.dead(p_owner uuid, p_reason text default 'boom', p_type text default 'clip') returns uuid language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in('In Progress', p_owner, p_type, p_attempts => 3);
begin
  perform public.update_task_status(tests.service(), v_task_id, 'Failed', p_reason);
  return v_task_id;
end;
$$;

-- TEST: one task by its id
select pg_temp.dead(:'owner') as task \gset
select pg_temp.requeue(format('array[%L]::uuid[], p_reason => ''driver fixed''', :'task')) as reply \gset
select is((:'reply'::jsonb ->> 'requeued')::integer, 1, 'It is requeued');
select is((tests.task(:'task')).readiness, 'ready', 'And ready');
select is((tests.task(:'task')).attempts, 3, 'Its starts stay counted');
select is((tests.task(:'task')).max_attempts, 6, 'It gets as many more');
select is((tests.task(:'task')).error_message, 'boom', 'It still says why it failed');
select is((tests.task(:'task')).output_location, null, 'But not as if that were progress');
select is(
  (select e.reason from public.task_events as e where e.task_id = :'task' order by e.id desc limit 1),
  'requeued by an operator: driver fixed', 'The history says who and why'
);
select is(tests.claim('gpu-next'), :'task'::uuid, 'It is handed out');
select is((tests.task(:'task')).attempts, 4, 'As its fourth start');
update public.tasks set status = 'Queued' where id = :'task';
select is((tests.task(:'task')).status, 'Queued', 'And may go back like any other');

-- TEST: what is no dead letter stays as it is
select tests.create_task_in('Complete', :'owner') as complete \gset
select tests.create_task_in('In Progress', :'owner') as running \gset
select is(
  pg_temp.requeue(format('array[%L, %L, %L]::uuid[]', :'complete', :'running', gen_random_uuid())) ->> 'requeued', '0',
  'A finished and a running task, and one that is not there, are left alone'
);
select is((tests.task(:'complete')).status, 'Complete', 'The finished one is finished');

-- TEST: many, by what they have in common
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_user(p_max_in_progress => 100) as other \gset
select count(pg_temp.dead(:'owner', 'CUDA out of memory')) from generate_series(1, 3);
select pg_temp.dead(:'other', 'cuda OUT of memory', 'montage');
select pg_temp.dead(:'owner', 'the prompt is empty');
select tests.create_task_in('Cancelled', :'owner') as cancelled \gset
select is(
  pg_temp.requeue('p_filter => ''{"error_contains": "cuda out of memory"}'', p_dry_run => true') ->> 'matched', '4',
  'A dry run counts them'
);
select is((select count(*)::integer from public.tasks where status = 'Queued'), 0, 'And changes nothing');
select is(
  pg_temp.requeue('p_filter => ''{"error_contains": "cuda out of memory", "task_type": "clip"}'', p_limit => 2') ->> 'requeued', '2',
  'The filter''s keys all hold, and the limit too'
);
select is(
  pg_temp.requeue(format('p_filter => ''{"user_id": "%s"}''', :'other')) ->> 'requeued', '1', 'By owner'
);
select is(pg_temp.requeue('p_filter => ''{"ended_before": "2020-01-01T00:00:00Z"}''') ->> 'requeued', '0', 'By time: none so old');
select is(
  pg_temp.requeue('p_filter => ''{"status": "Cancelled"}''') -> 'task_ids', jsonb_build_array(:'cancelled'), 'Cancelled ones when asked for'
);
select is((select count(*)::integer from public.tasks where status = 'Failed'), 2, 'The rest stays dead');

-- TEST: a family comes back whole
select tests.create_task(:'owner') as first \gset
select tests.create_task(:'owner', p_dependant_on => :'first') as second \gset
select public.update_task_status(tests.service(), :'first', 'Failed', 'boom');
select public.update_task_status(tests.service(), :'second', 'Failed', 'boom');
select pg_temp.requeue(format('array[%L, %L]::uuid[]', :'second', :'first'));
select is((tests.task(:'first')).readiness, 'ready', 'What others wait for is ready');
select is((tests.task(:'second')).readiness, 'dependency_pending', 'What waits for it waits again');

-- TEST: nothing is requeued by mistake
select is(
  tests.answer('public.requeue_tasks(p_filter => ''{}'')') || ', ' || tests.answer('public.requeue_tasks(p_filter => ''{"taks_type": "x"}'')')
    || ', ' || tests.answer('public.requeue_tasks()') || ', ' || tests.answer('public.requeue_tasks(p_filter => ''{"user_id": "me"}'')')
    || ', ' || tests.answer('public.requeue_tasks(p_filter => ''{"status": "Complete"}'')')
    || ', ' || tests.answer('public.requeue_tasks(p_filter => ''[]'')')
    || ', ' || tests.answer('public.requeue_tasks(p_filter => ''{"status": "Failed"}'', p_limit => 1001)'),
  array_to_string(array_fill('400 INVALID_ARGUMENT'::text, array[7]), ', '),
  'No filter, an empty one, an unknown key, a value that is none and an unbounded number are refused'
);
select is(
  tests.answer(format('public.requeue_tasks(array[%L]::uuid[], p_caller => %L)', :'first', tests.signed_in(:'owner'))),
  '403 FORBIDDEN', 'It is for operators alone'
);

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
