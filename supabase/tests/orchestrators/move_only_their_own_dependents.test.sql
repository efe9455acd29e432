begin;
select plan(9);

-- SETUP: a family whose first part comes again under another id
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
select tests.create_user() as stranger \gset
select tests.create_orchestrator(:'owner', 1) as orchestrator \gset
select tests.create_child(:'orchestrator', 'part', 0) as first \gset
select gen_random_uuid() as again \gset

-- TEST: a whole that waits for both, one of which has not come yet; and somebody else who named the first
select tests.create_child(:'orchestrator', 'final', null, :'first') as whole \gset
insert into fairlane_core.task_dependencies values (:'whole', :'again');
select tests.create_task(:'stranger', p_dependant_on => :'first') as of_stranger \gset
insert into public.tasks (id, task_type, project_id, params)
select :'again', t.task_type, t.project_id, t.params from public.tasks as t where t.id = :'first';
select is(tests.status(:'first'), 'Cancelled', 'The first one is replaced');
select results_eq(
  format('select depends_on from fairlane_core.task_dependencies where task_id = %L', :'whole'), array[:'again'::uuid],
  'Who waited for both waits for the one that is left'
);
select is((tests.task(:'whole')).dependant_on, :'again'::uuid, 'Also in the column that clients read');
select is((tests.task(:'whole')).readiness, 'dependency_pending', 'And goes on waiting');
select results_eq(
  format('select depends_on from fairlane_core.task_dependencies where task_id = %L', :'of_stranger'), array[:'first'::uuid],
  'A stranger''s task names what it named'
);
select is((tests.task(:'of_stranger')).dependant_on, :'first'::uuid, 'Nothing of it is written');
select tests.finish_task(:'again');
select is((tests.task(:'whole')).readiness, 'ready', 'The whole follows');
select tests.finish_task(:'whole');
select is(tests.status(:'orchestrator'), 'Complete', 'And the family ends');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
