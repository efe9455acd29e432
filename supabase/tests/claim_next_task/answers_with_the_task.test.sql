begin;
select plan(13);

-- SETUP: params with a seed that no double can hold, and keys in no particular order
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(
  :'owner', 'clip', '{"seed": 9223372036854775807, "prompt": "a \"bus\" 🚌", "nested": {"b": [1, 2.50]}}'
) as task \gset

-- TEST: the reply, as the role that calls
select tests.authenticate_as('service_role');
select public.claim_next_task('{"kind": "service"}', 'gpu-1') as reply \gset
select tests.clear_authentication();

select set_eq(
  format('select json_object_keys(%L)', :'reply'),
  array['task_id', 'task_type', 'params', 'project_id', 'lease_token', 'attempt', 'attempts'],
  'claim_next_task() answers what the contract names'
);
select is((:'reply'::json ->> 'task_id')::uuid, :'task', 'task_id is the task''s id');
select is(:'reply'::json ->> 'task_type', 'clip'::text, 'task_type is the task''s type');
select is(:'reply'::json ->> 'project_id', (tests.task(:'task')).project_id::text, 'project_id is the task''s project');
select is((:'reply'::json ->> 'attempt')::integer, 1, 'attempt counts this start');
select is(
  (:'reply'::json ->> 'lease_token')::uuid, (tests.task(:'task')).lease_token, 'lease_token is the lease of this start'
);
select is((:'reply'::json ->> 'params')::jsonb, (tests.task(:'task')).params, 'params are the task''s params');
select matches(:'reply'::text, '"seed": 9223372036854775807\M', 'A 64-bit seed keeps every digit in the reply''s text');
select matches(:'reply'::text, '2\.50\M', 'A decimal keeps its digits');

-- TEST: the row says who runs it, since when and for the how manieth time
select is((tests.task(:'task')).status, 'In Progress', 'The task is In Progress');
select is((tests.task(:'task')).worker_id, 'gpu-1', 'The task names its worker');
select is(
  (tests.task(:'task')).generation_started_at, (tests.task(:'task')).claimed_at,
  'The billed part begins with the claim'
);

-- TEST: a task without params or project is handed out too
insert into public.tasks (task_type, user_id) values ('test', :'owner');
select tests.authenticate_as('service_role');
select is(
  public.claim_next_task('{"kind": "service"}', 'gpu-2') -> 'params' #>> '{}', '{}',
  'params are an object, also when none were given'
);
select tests.clear_authentication();

select * from finish();
rollback;
