begin;
select plan(17);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_project(:'owner') as project \gset
select tests.create_project(:'stranger') as strangers_project \gset
select tests.create_task_in('In Progress', :'owner') as running \gset
select tests.create_task_in('Complete', :'owner') as finished \gset
create function pg_temp.id(p_letter text) returns uuid language sql immutable as $$
  select ('00000000-0000-0000-0000-0000000000c' || p_letter)::uuid
$$;
create function pg_temp.request(p_letter text, p_project text, variadic p_depends_on uuid[] default '{}') returns jsonb language sql as $$
  select jsonb_build_object(
    'task_id', pg_temp.id(p_letter), 'task_type', 'clip', 'project', p_project, 'depends_on', to_jsonb(p_depends_on)
  )
$$;
create function pg_temp.create_tasks(variadic p_tasks jsonb[]) returns text language sql as $$
  select tests.answer(format('public.create_tasks(%L, %L)', tests.service(), to_jsonb(p_tasks)))
$$;

-- TEST: several at once, answered in the order sent, dependencies inside the batch in any order
select pg_temp.create_tasks(
  pg_temp.request('3', :'project', pg_temp.id('2'), pg_temp.id('1')),
  pg_temp.request('1', :'project'),
  pg_temp.request('2', :'project', pg_temp.id('1')),
  pg_temp.request('4', :'project', :'finished', :'running'),
  pg_temp.request('5', :'project', :'finished'),
  pg_temp.request('6', :'strangers_project')
) as reply \gset
select results_eq(
  format('select (t ->> ''task_id'')::uuid from jsonb_array_elements(%L::jsonb -> ''tasks'') as t', :'reply'),
  $$ select pg_temp.id(l) from unnest('{3,1,2,4,5,6}'::text[]) as l $$, 'A batch is answered in the order sent'
);
select results_eq(
  $$ select id, readiness from public.tasks where id >= pg_temp.id('1') and id <= pg_temp.id('6') order by id $$,
  $$ values
    (pg_temp.id('1'), 'ready'), (pg_temp.id('2'), 'dependency_pending'), (pg_temp.id('3'), 'dependency_pending'),
    (pg_temp.id('4'), 'dependency_pending'), (pg_temp.id('5'), 'ready'), (pg_temp.id('6'), 'ready') $$,
  'Each waits for all it depends on'
);
select is((tests.task(pg_temp.id('3'))).dependant_on, pg_temp.id('2'), 'The first dependency is the one that clients read');
select set_eq(
  $$ select depends_on from fairlane_core.task_dependencies where task_id = pg_temp.id('3') $$,
  $$ values (pg_temp.id('1')), (pg_temp.id('2')) $$, 'All of them are recorded'
);
select ok(
  (tests.task(pg_temp.id('3'))).created_at < (tests.task(pg_temp.id('1'))).created_at
    and (tests.task(pg_temp.id('1'))).created_at < (tests.task(pg_temp.id('2'))).created_at,
  'A batch keeps its order in the queue'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

-- TEST: the last dependency makes it ready, the one before does not
update public.tasks set status = 'In Progress', lease_token = gen_random_uuid() where id = pg_temp.id('1');
update public.tasks set status = 'Complete' where id = pg_temp.id('1');
select is((tests.task(pg_temp.id('3'))).readiness, 'dependency_pending', 'One of two dependencies is not enough');
update public.tasks set status = 'In Progress', lease_token = gen_random_uuid() where id = pg_temp.id('2');
update public.tasks set status = 'Complete' where id = pg_temp.id('2');
select is((tests.task(pg_temp.id('3'))).readiness, 'ready', 'Both of them are');

-- TEST: one bad task, no task
select is(
  pg_temp.create_tasks(pg_temp.request('7', :'project'), pg_temp.request('8', gen_random_uuid()::text)),
  '404 PROJECT_NOT_FOUND', 'One task without a home refuses the batch'
);
select is(
  pg_temp.create_tasks(pg_temp.request('7', :'project'), pg_temp.request('8', :'project', pg_temp.id('8'))),
  '400 DEPENDENCY_CYCLE', 'One task that depends on itself refuses the batch'
);
select is(
  pg_temp.create_tasks(pg_temp.request('7', :'project', pg_temp.id('8')), pg_temp.request('8', :'project', pg_temp.id('7'))),
  '400 DEPENDENCY_CYCLE', 'Two tasks that depend on each other refuse the batch'
);
select is(
  pg_temp.create_tasks(
    pg_temp.request('7', :'project', :'running', pg_temp.id('8')), pg_temp.request('8', :'project', :'running', pg_temp.id('7'))
  ),
  '400 DEPENDENCY_CYCLE', 'By their second dependencies as well'
);
select tests.create_task(:'owner', 'clip', '{}', '0', pg_temp.id('9')) as waiting \gset
select is(
  pg_temp.create_tasks(pg_temp.request('9', :'project', :'running', :'waiting')),
  '400 DEPENDENCY_CYCLE', 'And a circle through a task that was there before'
);
select is((tests.task(pg_temp.id('7'))).id, null, 'And nothing of it was enqueued');

-- TEST: its size
select is(tests.answer(format('public.create_tasks(%L, ''[]'')', tests.service())), '400 INVALID_ARGUMENT', 'An empty batch is refused');
select is(
  tests.answer(format('public.create_tasks(%L, (select jsonb_agg(%L::jsonb) from generate_series(1, 1001)))', tests.service(),
    jsonb_build_object('task_type', 'test', 'project', :'project'))),
  '400 INVALID_ARGUMENT', 'A batch of 1,001 is refused'
);
select is(tests.answer(format('public.create_tasks(%L, ''{}'')', tests.service())), '400 INVALID_ARGUMENT', 'A batch is a list');

select * from finish();
rollback;
