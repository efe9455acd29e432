begin;
select plan(17);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_project(:'owner') as project \gset
select tests.authenticate_as('service_role');

-- TEST: what a new row gets
insert into public.tasks (task_type, project_id) values ('clip', :'project') returning id as task \gset
select is((tests.task(:'task')).status, 'Queued', 'A task begins Queued');
select is((tests.task(:'task')).user_id, :'owner', 'Its owner is the project''s owner');
select is((tests.task(:'task')).run_type, 'cloud', 'It runs in the cloud');
select is((tests.task(:'task')).params, '{}', 'Its params are an object');
select is((tests.task(:'task')).attempts, 0, 'It was never started');
select is((tests.task(:'task')).readiness, 'ready', 'It is ready');
select is((tests.task(:'task')).pool, 'gpu', 'It knows its pool');
select is((tests.task(:'task')).updated_at, (tests.task(:'task')).created_at, 'It was updated when it was created');

-- TEST: what deployed clients insert
select lives_ok(
  format(
    $$ insert into public.tasks (id, task_type, params, status, project_id, attempts)
       values (gen_random_uuid(), 'process', '{"task_id": "unknown_task_1"}', 'Queued', %L, 0) $$, :'project'
  ),
  'A row with an id of its own, a status and no attempts is taken'
);
select lives_ok(
  format(
    $$ insert into public.tasks (task_type, project_id, params, status, created_at) values ('test', %L, '{}', 'Queued', now()) $$,
    :'project'
  ),
  'A row with a time is taken'
);

-- TEST: a task begins Queued; whatever else it may become goes through the functions
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id, status) values ('test', %L, 'In Progress') $$, :'project'),
  'PT400', null, 'A task cannot begin In Progress'
);
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id, status) values ('test', %L, 'Complete') $$, :'project'),
  'PT400', null, 'A task cannot begin Complete'
);
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id, status) values ('test', %L, 'Failed') $$, :'project'),
  'PT400', null, 'A task cannot begin Failed'
);

-- TEST: rows that make no sense
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id) values ('test', %L) $$, gen_random_uuid()),
  '23503', null, 'A project that does not exist is refused'
);
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id, available_at) values ('test', %L, 'infinity') $$, :'project'),
  'PT400', null, 'A time that never comes is refused'
);
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id, run_type) values ('test', %L, 'moon') $$, :'project'),
  'PT400', null, 'A run_type that does not exist is refused'
);

-- TEST: enqueuing twice under one key is refused, per owner
insert into public.tasks (task_type, project_id, idempotency_key) values ('test', :'project', 'order-7');
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id, idempotency_key) values ('test', %L, 'order-7') $$, :'project'),
  '23505', null, 'A second task under the same key of the same owner is refused'
);
select tests.clear_authentication();

select * from finish();
rollback;
