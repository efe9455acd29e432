begin;
select plan(3);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') as other \gset

-- TEST: a client that sends the column as null means what one means that leaves it out
insert into public.tasks (task_type, project_id, run_type)
select 'clip', t.project_id, null from public.tasks as t where t.id = :'other'
returning id as task \gset
select is((tests.task(:'task')).run_type, 'cloud', 'A null run_type is stored as cloud');
select is((tests.task(:'task')).readiness, 'ready', 'And the task is ready');
select is(cardinality(tests.claim_many(2)), 2, 'And handed out like any other');

select * from finish();
rollback;
