begin;
select plan(28);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_project(:'owner') as project \gset
select tests.create_project(:'stranger') as strangers_project \gset
select tests.authenticate_as(:'owner');

-- TEST: into one's own project
insert into public.tasks (task_type, params, project_id, priority, run_type, idempotency_key)
values ('clip', '{"prompt": "a bus"}', :'project', 3, 'local', 'mine')
returning id as task, user_id as task_owner \gset
select is(:'task_owner'::uuid, :'owner', 'A signed-in user enqueues a task of their own');
select isnt_empty(format('select from public.tasks where id = %L', :'task'), 'And sees it');

-- TEST: into nobody else's
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id) values ('test', %L) $$, :'strangers_project'),
  '42501', null, 'A task in somebody else''s project is refused'
);
select throws_ok(
  $$ insert into public.tasks (task_type) values ('test') $$, '42501', null, 'A task without a project is refused'
);

-- TEST: mass assignment: what the queue decides is not for the client to set
create function pg_temp.refuses_column(p_column text, p_value text, p_project uuid) returns text language sql as $$
  select throws_ok(
    format('insert into public.tasks (task_type, project_id, %I) values (''test'', %L, %L)', p_column, p_project, p_value),
    '42501', null, 'A client cannot set ' || p_column
  );
$$;
select pg_temp.refuses_column(c.name, c.value, :'project')
from (values
  ('status', 'Complete'), ('user_id', :'owner'), ('worker_id', 'gpu-1'), ('attempts', '7'), ('output_location', 'x'),
  ('lease_token', :'owner'), ('claim_id', 'c'), ('token_id', :'owner'), ('requeue_count', '1'),
  ('pool', 'api'), ('takes_slot', 'false'), ('readiness', 'ready'), ('generation_created', 'true'), ('result_data', '{}'),
  ('error_message', 'x'), ('max_attempts', '99'), ('timeout', '1 day')
) as c (name, value);

-- TEST: nobody gets ahead by an old date
insert into public.tasks (task_type, project_id, created_at) values ('clip', :'project', '2020-01-01') returning id as old \gset
select is((tests.task(:'old')).created_at, queue_now.at, 'A time of creation that a client sends is replaced by the queue''s')
from (select now() as at) as queue_now;
select is((tests.task(:'old')).readiness, 'ready', 'So it is not stale either');

-- TEST: afterwards the task is the queue's; the owner cancels it through the function
select throws_ok(
  format($$ update public.tasks set status = 'Cancelled' where id = %L $$, :'task'), '42501', null, 'The owner cannot PATCH a task'
);
select throws_ok(
  format('delete from public.tasks where id = %L', :'task'), '42501', null, 'The owner cannot delete a task'
);

-- TEST: nobody without signing in
select tests.authenticate_as('anon');
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id) values ('test', %L) $$, :'project'), '42501', null, 'anon enqueues nothing'
);
select tests.clear_authentication();

-- TEST: a dependency on somebody else's task is one on a missing task, and its end is no news
select tests.create_task(:'stranger') as strangers_task \gset
select tests.authenticate_as(:'owner');
insert into public.tasks (task_type, project_id, dependant_on) values ('test', :'project', :'strangers_task') returning id as spy \gset
select tests.clear_authentication();
update public.tasks set status = 'Cancelled' where id = :'strangers_task';
select is((tests.task(:'spy')).readiness, 'dependency_lost', 'Depending on a stranger''s task tells nothing about it');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
