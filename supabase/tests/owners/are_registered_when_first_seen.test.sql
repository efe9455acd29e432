begin;
select plan(19);

-- SETUP: owners are bare uuids, as guests have them
select tests.empty_queue();
update fairlane_core.settings set registers_owners = true, requires_credits = false;
select gen_random_uuid() as stranger \gset
select gen_random_uuid() as visitor \gset
select gen_random_uuid() as collector \gset
create function pg_temp.create_task(p_caller jsonb, p_fields jsonb default '{}') returns text language sql as $$
  select tests.answer(format('public.create_task(%L, %L)', p_caller, '{"task_type": "some_task"}'::jsonb || p_fields))
$$;
create function pg_temp.owner_of(p_reply text) returns uuid language sql as $$
  select t.user_id from public.tasks as t where t.id = (p_reply::jsonb ->> 'task_id')::uuid
$$;

-- TEST: the service names an owner whom nobody has seen
select is(pg_temp.create_task(tests.service()), '400 OWNER_UNKNOWN', 'The service says whose a task is');
select pg_temp.create_task(tests.service(), jsonb_build_object('user_id', :'stranger')) as reply \gset
select is(pg_temp.owner_of(:'reply'), :'stranger'::uuid, 'It is the one whom it names');
select is((:'reply'::jsonb ->> 'project_id'), null, 'No project is needed');
select is((select count(*) from public.users as u where u.id = :'stranger'), 1::bigint, 'The owner has a row');
select is((select t.readiness from public.tasks as t where t.user_id = :'stranger'), 'ready', 'The task is ready');
select is(
  tests.claim('worker'), (:'reply'::jsonb ->> 'task_id')::uuid, 'A worker of the cloud gets it: credits are not asked for'
);

-- TEST: the limit is the default, and exact
select count(pg_temp.create_task(tests.service(), jsonb_build_object('user_id', :'stranger'))) from generate_series(1, 9);
select is(
  (select count(tests.claim('worker-' || n)) from generate_series(1, 12) as n),
  (select s.default_task_limit - 1 from fairlane_core.settings as s)::bigint, 'Nobody holds more than the default limit'
);

-- TEST: a signed-in user
select tests.signed_in(:'visitor') as visitors_call \gset
select is(pg_temp.owner_of(pg_temp.create_task(:'visitors_call')), :'visitor'::uuid, 'A user''s task is the user''s');
select is(
  pg_temp.create_task(:'visitors_call', jsonb_build_object('user_id', :'stranger')), '403 FORBIDDEN', 'Nobody enqueues for somebody else'
);
select is(
  pg_temp.create_task(:'visitors_call', jsonb_build_object('project', gen_random_uuid())), '404 PROJECT_NOT_FOUND',
  'A project that is named must be there'
);
select tests.with_token(:'visitor') as token \gset
select is(pg_temp.owner_of(pg_temp.create_task(:'token')), :'visitor'::uuid, 'So is what comes with the user''s token');

-- TEST: over the Data API
select gen_random_uuid() as newcomer \gset
select tests.authenticate_as(:'newcomer'::uuid);
insert into public.tasks (task_type) values ('some_task');
select is((select count(*) from public.tasks), 1::bigint, 'A task that is inserted without a project is seen by its user');
select tests.clear_authentication();
select is(
  (select array_agg(t.readiness) from public.tasks as t where t.user_id = :'newcomer'), array['ready'], 'It is the user''s, and ready'
);
select tests.authenticate_as(:'collector'::uuid);
insert into public.projects (user_id, name) values (:'collector', 'First');
select tests.clear_authentication();
select is((select count(*) from public.users as u where u.id = :'collector'), 1::bigint, 'A project may be what is seen first');
select p.id as collection from public.projects as p where p.user_id = :'collector' \gset

-- TEST: projects, where there are any
select is(
  pg_temp.owner_of(pg_temp.create_task(tests.service(), jsonb_build_object('project', :'collection'))), :'collector'::uuid,
  'A project says whose its tasks are'
);
select is(
  pg_temp.create_task(tests.service(), jsonb_build_object('project', :'collection', 'user_id', :'stranger')), '403 FORBIDDEN',
  'It does not hold tasks of somebody else'
);

-- TEST: the switches
update fairlane_core.settings set requires_credits = true;
select is(
  (select s.cloud_reason from fairlane_core.user_slots as s where s.user_id = :'collector'), 'no_credits', 'Where credits are asked for, nobody has any'
);
update fairlane_core.settings set registers_owners = false;
select is(
  pg_temp.create_task(tests.service(), jsonb_build_object('user_id', gen_random_uuid())), '400 PROJECT_REQUIRED',
  'Where the app keeps the owners, a task needs a project'
);
select is_empty('select * from fairlane_core.drift()', 'All counters are right');

select * from finish();
rollback;
