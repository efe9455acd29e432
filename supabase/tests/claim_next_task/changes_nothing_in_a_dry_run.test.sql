begin;
select plan(13);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 3) as owner \gset
select tests.create_task(:'owner', p_params => '{"seed": 9223372036854775807}', p_age => '1 hour') as first \gset
select tests.create_task(:'owner') from generate_series(1, 4);
create function pg_temp.dry_run(p_caller jsonb default tests.service()) returns json language sql as $$
  select public.claim_next_task(p_caller, 'gpu-1', p_dry_run => true);
$$;
create temporary table before as select * from public.tasks;

-- TEST: what a claim would find
select is(pg_temp.dry_run() ->> 'dry_run', 'true', 'A dry run says that it is one');
select is(pg_temp.dry_run() ->> 'available_tasks', '3', 'It counts what could be claimed now');
select is(pg_temp.dry_run() #>> '{task,task_id}', :'first'::text, 'It names the task that a claim would get');
select matches(pg_temp.dry_run()::text, '9223372036854775807', 'Its params keep every digit');
select set_eq(
  $$ select json_object_keys(pg_temp.dry_run() -> 'task') $$,
  array['task_id', 'task_type', 'params', 'project_id', 'attempt', 'attempts'],
  'It holds no lease'
);

-- TEST: nothing has changed
select set_eq('select * from public.tasks', 'select * from before', 'A dry run changes no task');
select is(tests.claim('gpu-1'), :'first', 'The claim then gets that task');

-- TEST: a worker that holds a task does not lose its lease to a look
select lease_token as lease from public.tasks where id = :'first' \gset
select pg_temp.dry_run();
select is((tests.task(:'first')).lease_token, :'lease', 'A dry run returns no held task');

-- TEST: nothing to find
update public.users set credits = 0;
select is(
  pg_temp.dry_run()::jsonb, '{"dry_run": true, "available_tasks": 0, "task": null}', 'A dry run may find nothing'
);

-- TEST: the user's own view
select tests.with_token(:'owner') as token \gset
select is(pg_temp.dry_run(:'token') ->> 'available_tasks', '2', 'A token sees what it could claim, credits or not');

-- TEST: a task that has just become due is found, and so is one behind tasks that grew stale
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where status = 'Queued';
select tests.step_clock('2 hours');
select isnt(pg_temp.dry_run(:'token') #>> '{task,task_id}', null, 'A dry run finds a task that is due');
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.create_task(:'ana', p_age => '1 day') from generate_series(1, 2);
select tests.step_clock('6 days 12:00:00');
select tests.create_task(tests.create_user()) as fresh \gset
select is(pg_temp.dry_run() #>> '{task,task_id}', :'fresh'::text, 'A dry run looks beyond an owner whose tasks are all stale');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
