begin;
select plan(17);

-- SETUP: the owner has two projects, the stranger one
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_project(:'owner') as project \gset
select tests.create_project(:'owner') as second_project \gset
select tests.create_project(:'stranger') as strangers_project \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as parent \gset
select tests.create_task_in('Complete', :'owner') as first \gset
select tests.create_task_in('Complete', :'stranger') as strangers_task \gset
update public.tasks as t set project_id = :'second_project' where t.id = :'first';
select tests.with_token(:'owner') as token \gset
select tests.with_token(:'stranger') as strangers_token \gset
create function pg_temp.project_of(p_caller jsonb, p_params jsonb default '{}', p_depends_on uuid[] default '{}') returns text
language sql as $$
  select coalesce(substring(a.answer from '"project_id" : "([^"]*)"'), a.answer)
  from (
    select tests.answer(format(
      'public.create_task(%L, %L)', p_caller,
      jsonb_build_object(
        'task_type', 'process', 'project', 'default_project_id', 'params', p_params, 'depends_on', p_depends_on
      )
    )) as answer
  ) as a
$$;
create function pg_temp.named(p_project text) returns jsonb language sql as $$
  select jsonb_build_object('project_id', p_project)
$$;

-- TEST: the project in params
select is(pg_temp.project_of(tests.service(), pg_temp.named(:'second_project')), :'second_project', 'params.project_id is taken');
select is(pg_temp.project_of(:'token', pg_temp.named(:'second_project')), :'second_project', 'A token''s own one too');
select is(
  pg_temp.project_of(:'token', pg_temp.named(:'strangers_project')), '400 PROJECT_REQUIRED', 'A token reaches no stranger''s project by it'
);
select is(
  pg_temp.project_of(tests.signed_in(:'owner'), pg_temp.named(:'strangers_project')), '400 PROJECT_REQUIRED', 'Nor does a user'
);
select is(
  pg_temp.project_of(tests.service(), pg_temp.named(gen_random_uuid()::text)), '400 PROJECT_REQUIRED',
  'One that does not exist leads nowhere'
);
select is(
  pg_temp.project_of(tests.service(), pg_temp.named('default_project_id')), '400 PROJECT_REQUIRED', 'Nor does one that is no UUID'
);
select is(
  pg_temp.project_of(tests.service(), '{"project_id": {"id": 7}}'), '400 PROJECT_REQUIRED', 'Nor does one that is no text'
);

-- TEST: the project of what it waits for
select is(
  pg_temp.project_of(tests.service(), p_depends_on => array[:'first']::uuid[]), :'second_project', 'A dependency''s project is taken'
);
select is(
  pg_temp.project_of(tests.service(), p_depends_on => array[gen_random_uuid(), :'first']::uuid[]), :'second_project',
  'That of the first one which is there'
);
select is(
  pg_temp.project_of(:'token', p_depends_on => array[:'strangers_task']::uuid[]), '400 PROJECT_REQUIRED',
  'A stranger''s task leads a token nowhere'
);

-- TEST: which of them
select is(
  pg_temp.project_of(
    tests.service(), pg_temp.named(:'second_project') || jsonb_build_object(fairlane_core.parent_key(), :'parent'),
    array[:'first']::uuid[]
  ),
  (select t.project_id::text from public.tasks as t where t.id = :'parent'), 'The parent comes before params and dependency'
);
select is(
  pg_temp.project_of(tests.service(), pg_temp.named(:'project'), array[:'first']::uuid[]), :'project',
  'Params come before the dependency'
);

-- TEST: the only project of a user
select is(pg_temp.project_of(:'strangers_token'), :'strangers_project', 'A token whose user has one project needs to name none');
select is(pg_temp.project_of(tests.signed_in(:'stranger')), :'strangers_project', 'Nor does that user in person');
select is(pg_temp.project_of(:'token'), '400 PROJECT_REQUIRED', 'Of several none is guessed');
select is(pg_temp.project_of(tests.service()), '400 PROJECT_REQUIRED', 'The service key has no project of its own');
select is(
  pg_temp.project_of(:'strangers_token', pg_temp.named(:'project')), :'strangers_project',
  'What names another''s project is like what names none'
);

select * from finish();
rollback;
