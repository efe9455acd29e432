begin;
select plan(19);

-- SETUP: three tasks may be queued; two are, and one runs
select tests.empty_queue();
update fairlane_core.settings set max_queued_per_user = 3;
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_project(:'owner') as project \gset
select tests.create_project(:'stranger') as strangers_project \gset
select tests.create_task(:'owner') as task \gset
select tests.create_task(:'owner', 'clip', '{}', '0', :'task') \g /dev/null
select tests.create_task_in('In Progress', :'owner') \g /dev/null
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as orchestrator \gset
select tests.with_token(:'owner') as token \gset
create function pg_temp.enqueue(p_caller jsonb, p_project text, p_params jsonb default '{}', p_count integer default 1)
returns text language sql as $$
  select case when a.answer like '{%' then 'enqueued' else a.answer end
  from (
    select tests.answer(format('public.create_tasks(%L, %L)', p_caller, (
      select jsonb_agg(jsonb_build_object('task_type', 'edit_image', 'project', p_project, 'params', p_params))
      from generate_series(1, p_count)
    ))) as answer
  ) as a
$$;

-- TEST: the last free place, and no more
select is(pg_temp.enqueue(:'token', :'project', '{}', 2), '429 QUEUE_FULL', 'A batch that does not fit is refused');
select is((select count(*) from public.tasks as t where t.user_id = :'owner'), 4::bigint, 'As a whole');
select is(pg_temp.enqueue(:'token', :'project'), 'enqueued', 'The last task fits');
select is(pg_temp.enqueue(:'token', :'project'), '429 QUEUE_FULL', 'There is none after it, with a token');
select is(pg_temp.enqueue(tests.signed_in(:'owner'), :'project'), '429 QUEUE_FULL', 'Nor for the owner in person');
select is(pg_temp.enqueue(tests.signed_in(:'stranger'), :'strangers_project', '{}', 3), 'enqueued', 'Another user has a bound of their own');

-- TEST: what was enqueued before is answered, full or not
select ok(
  tests.answer(format('public.create_task(%L, ''{"task_id": "%s", "task_type": "test", "project": "%s"}'')', :'token', :'task', :'project'))
    like '{%', 'A repeat takes no room'
);

-- TEST: plain inserts
select tests.authenticate_as(:'owner');
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id) values ('test', %L) $$, :'project'),
  'PT429', null, 'An insert by the owner keeps to the bound'
);
select throws_ok(
  format($$ insert into public.tasks (task_type, project_id, available_at) values ('test', %L, '2100-01-01') $$, :'project'),
  'PT429', null, 'Whatever the task would wait for'
);
select tests.clear_authentication();

-- TEST: who is not bound
select is(pg_temp.enqueue(tests.service(), :'project'), 'enqueued', 'The service key is not bound');
select tests.authenticate_as('service_role');
select lives_ok(
  format($$ insert into public.tasks (task_type, project_id) values ('test', %L) $$, :'project'), 'Nor is its plain insert'
);
select tests.clear_authentication();
select tests.child_params(:'orchestrator') as child \gset
select is(pg_temp.enqueue(:'token', :'project', :'child', 2), 'enqueued', 'Nor are children of a running orchestrator');

-- TEST: who only claims to be such a child
select is(
  pg_temp.enqueue(:'token', :'project', tests.child_params(:'task')), '429 QUEUE_FULL',
  'A parent that is no orchestrator does not help'
);
select tests.create_task(:'owner', 'film_orchestrator') as idle \gset
select is(
  pg_temp.enqueue(:'token', :'project', tests.child_params(:'idle')), '429 QUEUE_FULL',
  'An orchestrator that nobody started does not help'
);
select tests.create_task_in('In Progress', :'stranger', 'film_orchestrator') as strangers_orchestrator \gset
select is(
  pg_temp.enqueue(:'token', :'project', tests.child_params(:'strangers_orchestrator')), '429 QUEUE_FULL',
  'Somebody else''s orchestrator does not help'
);
update public.tasks set status = 'Complete' where id = :'orchestrator';
select is(pg_temp.enqueue(:'token', :'project', :'child'), '429 QUEUE_FULL', 'An orchestrator that has ended does not help');

-- TEST: room comes with every end and with the setting
update public.tasks set status = 'Cancelled' where user_id = :'owner' and status = 'Queued';
select is(pg_temp.enqueue(:'token', :'project', '{}', 3), 'enqueued', 'Cancelled tasks make room');
update fairlane_core.settings set max_queued_per_user = null;
select is(pg_temp.enqueue(:'token', :'project', '{}', 100), 'enqueued', 'Without a bound there is none');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
