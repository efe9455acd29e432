begin;
select plan(7);

-- SETUP: a chain of two children and a whole, enqueued twice by an orchestrator that could not read its children
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_orchestrator(:'owner', 2) as orchestrator \gset
select tests.create_child(:'orchestrator', 'part', 0) as first \gset
select tests.create_child(:'orchestrator', 'part', 1, :'first') as second \gset
select tests.create_child(:'orchestrator', 'final', null, :'second') as whole \gset
select tests.create_child(:'orchestrator', 'part', 0) as first_again \gset
select tests.create_child(:'orchestrator', 'part', 1, :'first_again') as second_again \gset
select tests.create_child(:'orchestrator', 'final', null, :'second_again') as whole_again \gset

-- TEST: the younger ones are deleted, in the order in which a client finds them
delete from public.tasks where id = :'first_again';
delete from public.tasks where id = :'second_again';
delete from public.tasks where id = :'whole_again';
select set_eq(
  format('select id, dependant_on, readiness from public.tasks where id in (%L, %L, %L)', :'first', :'second', :'whole'),
  format($$ values (%1$L::uuid, null::uuid, 'ready'), (%2$L, %1$L, 'dependency_pending'), (%3$L, %2$L, 'dependency_pending') $$, :'first', :'second', :'whole'),
  'The older ones are requeued and wait for each other'
);
select set_eq(
  'select task_id, depends_on from fairlane_core.task_dependencies',
  format('values (%1$L::uuid, %2$L::uuid), (%3$L, %1$L)', :'second', :'first', :'whole'),
  'Nobody waits for what is gone'
);

-- TEST: the chain goes on
select tests.finish_task(:'first');
select is((select readiness from public.tasks where id = :'second'), 'ready', 'The next one is ready when the first is complete');
select is_empty('select * from fairlane_core.drift()', 'All of it is counted');

-- TEST: a replaced child that waits for both a child and its replacement
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_orchestrator(:'owner', 2) as orchestrator \gset
select tests.create_child(:'orchestrator', 'part', 0) as first \gset
select tests.create_child(:'orchestrator', 'part', 0) as first_again \gset
select tests.create_child(:'orchestrator', 'part', 1, :'first_again') as second \gset
select fairlane_core.depend_on(:'second', array[:'first'::uuid]);
select tests.create_child(:'orchestrator', 'part', 1) as second_again \gset
delete from public.tasks where id = :'first_again';
select set_eq(
  'select task_id, depends_on from fairlane_core.task_dependencies', format('values (%L::uuid, %L::uuid)', :'second', :'first'),
  'It waits for the one that is left'
);
delete from public.tasks where id = :'second_again';
select is((select readiness from public.tasks where id = :'second'), 'dependency_pending', 'And still does when it is requeued');
select tests.finish_task(:'first');
select is((select readiness from public.tasks where id = :'second'), 'ready', 'And is ready when that is complete');

select * from finish();
rollback;
