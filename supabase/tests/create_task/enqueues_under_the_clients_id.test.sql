begin;
select plan(17);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_project(:'owner') as project \gset
select '00000000-0000-0000-0000-0000000000c1' as id \gset
create function pg_temp.create_task(p_task jsonb, p_caller jsonb default tests.service()) returns jsonb language sql as $$
  select tests.answer(format('public.create_task(%L, %L)', p_caller, p_task))::jsonb
$$;

-- TEST: the client's own id, everything as it was sent
select pg_temp.create_task(jsonb_build_object(
  'task_id', :'id', 'task_type', 'unheard_of', 'project', :'project',
  'params', '{"seed": 18446744073709551615, "scale": 1.50}'::jsonb,
  'priority', 7, 'run_type', 'local', 'available_at', '2030-01-01T00:00:00Z', 'idempotency_key', 'order-7',
  'max_attempts', 2, 'timeout_seconds', 90, 'created_at', '2026-01-01T00:00:00Z'
)) as reply \gset
select is(:'reply'::jsonb ->> 'task_id', :'id', 'The task has the id that the client chose');
select is(:'reply'::jsonb ->> 'status', 'Queued', 'It is queued');
select is((:'reply'::jsonb ->> 'created')::boolean, true, 'The reply says that it is new');
select is((tests.task(:'id')).task_type, 'unheard_of', 'An unknown type is stored');
select is((tests.task(:'id')).params::text, '{"seed": 18446744073709551615, "scale": 1.50}', 'Numbers keep their spelling');
select is((tests.task(:'id')).user_id, :'owner', 'The owner is the project''s');
select is((tests.task(:'id')).priority, 7, 'It has its priority');
select is((tests.task(:'id')).run_type, 'local', 'It runs where it was to run');
select is((tests.task(:'id')).readiness, 'not_yet', 'It waits for its time');
select is((tests.task(:'id')).max_attempts, 2, 'It has its limit of starts');
select is((tests.task(:'id')).timeout, interval '90 seconds', 'It has its timeout');
select is((tests.task(:'id')).created_at, '2026-01-01T00:00:00Z', 'The service key may say how old a task is');
select results_eq(
  format('select to_status, actor, reason from public.task_events where task_id = %L', :'id'),
  $$ values ('Queued', 'service', 'created') $$, 'Its history begins with who enqueued it'
);

-- TEST: what is not said
select pg_temp.create_task(jsonb_build_object('task_type', 'clip', 'project', :'project', 'created_at', '2020-01-01'), tests.signed_in(:'owner')) as reply \gset
select is(
  row((tests.task((:'reply'::jsonb ->> 'task_id')::uuid)).run_type, (tests.task((:'reply'::jsonb ->> 'task_id')::uuid)).readiness)::text,
  '(cloud,ready)', 'A task of nothing but type and project is ready'
);
select is(
  (tests.task((:'reply'::jsonb ->> 'task_id')::uuid)).created_at, fairlane_core.now(), 'A user does not decide how old a task is'
);

-- TEST: what cannot be
select is(
  tests.answer(format('public.create_task(%L, ''{"project": "%s"}'')', tests.service(), :'project')),
  '400 INVALID_ARGUMENT', 'A task without a type is refused'
);
select is(
  tests.answer(format('public.create_task(%L, ''{"task_type": "test", "params": [1], "project": "%s"}'')', tests.service(), :'project')),
  '400 INVALID_ARGUMENT', 'Params that are no object are refused'
);

select * from finish();
rollback;
