begin;
select plan(18);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_project(:'owner') as project \gset
select tests.create_project(:'stranger') as strangers_project \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as parent \gset
select tests.create_task_in('In Progress', :'stranger', 'film_orchestrator') as strangers_parent \gset
select tests.with_token(:'owner') as token \gset
create function pg_temp.project_of(p_caller jsonb, p_project text, p_params jsonb default '{}') returns text language sql as $$
  select coalesce(substring(a.answer from '"project_id" : "([^"]*)"'), a.answer)
  from (
    select tests.answer(format(
      'public.create_task(%L, %L)', p_caller,
      jsonb_build_object('task_type', 'clip', 'project', p_project, 'params', p_params)
    )) as answer
  ) as a
$$;

-- TEST: a project by its id
select is(pg_temp.project_of(tests.service(), :'project'), :'project', 'The service key enqueues into any project');
select is(pg_temp.project_of(:'token', :'project'), :'project', 'A token enqueues into its user''s project');
select is(pg_temp.project_of(tests.signed_in(:'owner'), :'project'), :'project', 'So does a user in person');
select is(pg_temp.project_of(:'token', :'strangers_project'), '404 PROJECT_NOT_FOUND', 'A token reaches no stranger''s project');
select is(
  pg_temp.project_of(tests.signed_in(:'owner'), :'strangers_project'), '404 PROJECT_NOT_FOUND', 'A user reaches no stranger''s project'
);
select is(
  pg_temp.project_of(tests.service(), gen_random_uuid()::text), '404 PROJECT_NOT_FOUND', 'A project that does not exist is refused'
);

-- TEST: no project: the parent's, by any of its names
create function pg_temp.takes_the_parents(p_params text, p_parent uuid, p_project text) returns text language sql as $$
  select is(
    pg_temp.project_of(tests.service(), 'default_project_id', format(p_params, p_parent)::jsonb), p_project,
    'The parent is found in ' || p_params
  )
$$;
select pg_temp.takes_the_parents(p.params, :'parent', :'project')
from tests.ways_to_name_a_parent() as p (params);
select is(
  pg_temp.project_of(:'token', null, tests.child_params(:'parent')), :'project',
  'A token takes its own parent''s project'
);
select is(
  pg_temp.project_of(:'token', 'default_project_id', tests.child_params(:'strangers_parent')),
  :'project', 'A stranger''s parent is none: the token''s own project is left'
);

-- TEST: neither project nor parent
select is(pg_temp.project_of(tests.service(), 'default_project_id'), '400 PROJECT_REQUIRED', 'Without a parent it is refused');
select is(
  pg_temp.project_of(tests.service(), 'default_project_id', tests.child_params('run_7')),
  '400 PROJECT_REQUIRED', 'With a parent that is no UUID as well'
);
select is(
  pg_temp.project_of(tests.service(), null, tests.child_params(gen_random_uuid()::text)),
  '400 PROJECT_REQUIRED', 'With a parent that does not exist as well'
);

-- TEST: nothing was enqueued for the stranger
select is(
  (select count(*) from public.tasks as t where t.user_id = :'stranger'), 1::bigint, 'The stranger has no task more than before'
);

select * from finish();
rollback;
