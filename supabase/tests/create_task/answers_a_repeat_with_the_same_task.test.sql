begin;
select plan(22);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_project(:'owner') as project \gset
select tests.create_project(:'stranger') as strangers_project \gset
select tests.with_token(:'owner') as token \gset
create function pg_temp.create_task(p_caller jsonb, p_id uuid, p_project text, p_key text default null, p_params jsonb default '{}')
returns jsonb language sql as $$
  select case when a.answer like '{%' then a.answer::jsonb else to_jsonb(a.answer) end
  from (
    select tests.answer(format('public.create_task(%L, %L)', p_caller, jsonb_build_object(
      'task_id', p_id, 'task_type', 'clip', 'project', p_project, 'idempotency_key', p_key, 'params', p_params
    ))) as answer
  ) as a
$$;

-- TEST: the same id again, whatever has become of the task
create function pg_temp.repeat_in(p_state text, p_owner uuid, p_project text) returns text language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in(p_state, p_owner);
  v_before public.tasks := tests.task(v_task_id);
  v_reply jsonb := pg_temp.create_task(tests.service(), v_task_id, p_project, null, '{"other": "body"}');
begin
  return is(
    row(v_reply ->> 'task_id', v_reply ->> 'status', v_reply ->> 'created', tests.task(v_task_id) = v_before)::text,
    row(v_task_id, v_before.status, 'false', true)::text,
    'A repeat for a task that is ' || p_state || ' answers it as it is and changes nothing'
  );
end;
$$;
select pg_temp.repeat_in(s.name, :'owner', :'project')
from unnest('{Queued,In Progress,Rescued,Complete,Failed,Cancelled}'::text[]) as s (name);

-- TEST: by whoever may speak for the owner
select tests.create_task(:'owner') as task \gset
select tests.create_project(:'owner') as other_project \gset
select is(pg_temp.create_task(:'token', :'task', :'project') ->> 'created', 'false', 'Also with the owner''s token');
select is(pg_temp.create_task(tests.signed_in(:'owner'), :'task', :'project') ->> 'created', 'false', 'Also for the owner in person');
select is(pg_temp.create_task(tests.service(), :'task', :'other_project') ->> 'project_id', :'project', 'Also with another project of the owner');
select is(
  pg_temp.create_task(tests.service(), :'task', 'default_project_id') ->> 'created', 'false',
  'Also when the parent, whose project it took, is gone'
);

-- TEST: an id of somebody else's
select is(
  pg_temp.create_task(tests.signed_in(:'stranger'), :'task', :'strangers_project') #>> '{}', '409 TASK_ID_TAKEN',
  'Somebody else''s id cannot be had'
);
select is(
  pg_temp.create_task(tests.signed_in(:'stranger'), :'task', :'project') #>> '{}', '409 TASK_ID_TAKEN',
  'Whatever project is named'
);
select is(
  pg_temp.create_task(tests.service(), :'task', :'strangers_project') #>> '{}', '409 TASK_ID_TAKEN',
  'Nor by the service key for another owner'
);

-- TEST: the same key under another id
select pg_temp.create_task(:'token', gen_random_uuid(), :'project', 'order-7') ->> 'task_id' as first \gset
select is(
  pg_temp.create_task(:'token', gen_random_uuid(), :'project', 'order-7') ->> 'task_id', :'first', 'The same key answers the first task'
);
select is(
  pg_temp.create_task(tests.service(), gen_random_uuid(), :'other_project', 'order-7') ->> 'task_id', :'first',
  'In any project of the owner'
);
select isnt(
  pg_temp.create_task(tests.service(), gen_random_uuid(), :'strangers_project', 'order-7') ->> 'task_id', :'first',
  'A key means nothing for another owner'
);
update public.tasks set status = 'Cancelled' where id = :'first';
select is(
  pg_temp.create_task(:'token', gen_random_uuid(), :'project', 'order-7') ->> 'status', 'Cancelled', 'A key stays used after the end'
);

-- TEST: within a batch, and for what depends on it
select tests.answer(format('public.create_tasks(%L, %L)', :'token', jsonb_build_array(
  jsonb_build_object('task_id', '00000000-0000-0000-0000-0000000000c1', 'task_type', 'test', 'project', :'project', 'idempotency_key', 'order-7'),
  jsonb_build_object(
    'task_id', '00000000-0000-0000-0000-0000000000c2', 'task_type', 'test', 'project', :'project',
    'depends_on', '["00000000-0000-0000-0000-0000000000c1"]'::jsonb
  )
))) as reply \gset
select is(:'reply'::jsonb #>> '{tasks,0,task_id}', :'first', 'A task of a batch is known by its key');
select is(:'reply'::jsonb #>> '{tasks,1,dependant_on}', :'first', 'What depends on it depends on the first task');

-- TEST: a deleted task may come again
delete from public.tasks where id = :'task';
select is(pg_temp.create_task(:'token', :'task', :'project') ->> 'created', 'true', 'A deleted task is enqueued anew');

-- TEST: rows without an owner, from before that column
insert into public.tasks (task_type) values ('test') returning id as ownerless \gset
select is(pg_temp.create_task(tests.service(), :'ownerless', :'project') ->> 'created', 'false', 'The service key is answered for a task without owner');
select is(
  pg_temp.create_task(:'token', :'ownerless', :'project') #>> '{}', '409 TASK_ID_TAKEN', 'A user cannot have its id'
);

select * from finish();
rollback;
