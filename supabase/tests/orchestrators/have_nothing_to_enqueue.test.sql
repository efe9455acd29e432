begin;
select plan(12);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
create function pg_temp.report(p_task_id uuid, p_text text) returns text language sql as $$
  select tests.answer(format('public.update_task_status(tests.service(), %L, ''In Progress'', %L) ->> ''status''', p_task_id, p_text));
$$;

-- TEST: an orchestrator reports that there are no children to come
select tests.create_orchestrator(:'owner', 0) as reported \gset
select tests.create_task(:'owner', p_dependant_on => :'reported') as waiting \gset
select is(pg_temp.report(:'reported', tests.says_nothing_to_come() || ', vacuously'), 'Complete', 'The report completes it');
select is(tests.status(:'reported'), 'Complete', 'In the same transaction');
select is((tests.task(:'reported')).output_location, null, 'The text is no result');
select is((tests.task(:'waiting')).readiness, 'ready', 'What waited for it is ready');
select results_eq(
  format('select reason, details ->> ''report'' ~ ''vacuously'' from public.task_events where task_id = %L and to_status = ''Complete''', :'reported'),
  $$values ('it has nothing to enqueue', true)$$, 'The history says why, and keeps the words'
);
select tests.create_orchestrator(:'owner', 0) as patched \gset
select tests.authenticate_as('service_role');
update public.tasks set output_location = tests.says_nothing_to_come() where id = :'patched';
select tests.clear_authentication();
select is(tests.status(:'patched'), 'Complete', 'A direct change says the same');

-- TEST: other words, other tasks, other families
select tests.create_orchestrator(:'owner', 0) as talking \gset
select pg_temp.report(:'talking', 'Found no new parts to generate yet');
select is(tests.status(:'talking'), 'In Progress', 'Other words do not complete it');
select tests.create_task_in('In Progress', :'owner') as part \gset
select pg_temp.report(:'part', tests.says_nothing_to_come());
select is(tests.status(:'part'), 'In Progress', 'Nor do these words another task');
select tests.create_orchestrator(:'owner') as parent \gset
select tests.create_child(:'parent', 'part', 0) as child \gset
select pg_temp.report(:'parent', tests.says_nothing_to_come());
select is(tests.status(:'parent'), 'In Progress', 'One with children waits for them');
select tests.finish_task(:'child');
select is(tests.status(:'parent'), 'Complete', 'And completes with them');

-- TEST: a direct report that the children are enqueued counts like one through the function
select tests.create_orchestrator(:'owner') as direct \gset
select tests.create_child(:'direct', 'part', 0) as direct_child \gset
update public.tasks set output_location = tests.says_enqueued() where id = :'direct';
select tests.finish_task(:'direct_child');
select is(tests.status(:'direct'), 'Complete', 'An orchestrator that is patched to have enqueued its children ends with them');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
