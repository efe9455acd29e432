begin;
select plan(19);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset

-- TEST: all children of one that has reported
select tests.create_orchestrator(:'owner') as reported \gset
select tests.create_child(:'reported', 'part', n) from generate_series(0, 2) as n;
select tests.report_enqueued(:'reported');
delete from public.tasks where params ->> fairlane_core.parent_key() = :'reported' and params ->> fairlane_core.place_key() <> '0';
select is(tests.status(:'reported'), 'In Progress', 'While a child is left, the orchestrator waits for it');
delete from public.tasks where params ->> fairlane_core.parent_key() = :'reported';
select is(tests.status(:'reported'), 'Cancelled', 'It is cancelled with the last of them');
select is((tests.task(:'reported')).error_message, 'all children were deleted', 'It says why');

-- TEST: one at a time, and of one whose announcement was met without a report
select tests.create_orchestrator(:'owner', 2) as announced \gset
select tests.create_child(:'announced', 'part', 0) as first \gset
select tests.create_child(:'announced', 'part', 1, :'first') as second \gset
select tests.create_child(:'announced', 'final', null, :'second') as whole \gset
delete from public.tasks where id = :'whole';
delete from public.tasks where id = :'second';
select is(tests.status(:'announced'), 'In Progress', 'What was announced was there; the first child is still to come');
delete from public.tasks where id = :'first';
select is(tests.status(:'announced'), 'Cancelled', 'Without any child left it is cancelled');

-- TEST: those that are there judge it
select tests.create_orchestrator(:'owner', 2) as judged \gset
select tests.create_child(:'judged', 'part', 0) as done \gset
select tests.create_child(:'judged', 'part', 1) as open \gset
select tests.create_child(:'judged', 'final', null, :'open') as last \gset
select tests.finish_task(:'done');
delete from public.tasks where id = :'open';
select is(tests.status(:'last'), 'Cancelled', 'The dependents of a deleted child are cancelled with it');
select is(tests.status(:'judged'), 'Cancelled', 'And its orchestrator with that');
select tests.create_orchestrator(:'owner', 2) as shortened \gset
select tests.create_child(:'shortened', 'part', 0) as kept \gset
select tests.create_child(:'shortened', 'part', 1) as dropped \gset
select tests.create_child(:'shortened', 'final') as end_piece \gset
select tests.finish_task(:'kept');
select tests.finish_task(:'end_piece');
delete from public.tasks where id = :'dropped';
select is(tests.status(:'shortened'), 'Complete', 'When all that are left are complete, so is it');
select is((tests.task(:'shortened')).output_location, 'https://files/' || :'end_piece', 'With what the final child made');

-- TEST: before it has enqueued all of them nobody judges it
select tests.create_orchestrator(:'owner', 2) as early \gset
select tests.create_child(:'early', 'part', 0) as early_child \gset
delete from public.tasks where id = :'early_child';
select is(tests.status(:'early'), 'In Progress', 'One that is still enqueuing goes on');
select tests.answer(format('public.update_task_status(tests.service(), %L, ''In Progress'', ''Loading the model'')', :'early'));
select is(tests.status(:'early'), 'In Progress', 'Whatever else it reports');
select tests.create_orchestrator(:'owner') as late \gset
select tests.create_child(:'late', 'part', 0) as late_child \gset
delete from public.tasks where id = :'late_child';
select tests.answer(format('public.update_task_status(tests.service(), %L, ''In Progress'', tests.says_enqueued())', :'late'));
select is(tests.status(:'late'), 'Cancelled', 'When it says that they are enqueued, it is cancelled');

-- TEST: one that waits for a worker enqueues them again
select tests.create_orchestrator(:'owner') as queued \gset
select tests.create_child(:'queued', 'part', 0) as queued_child \gset
update public.tasks set status = 'Queued' where id = :'queued';
delete from public.tasks where id = :'queued_child';
select is(tests.status(:'queued'), 'Queued', 'A requeued one is left to its next worker');

-- TEST: with their project, and with what is purged
select tests.create_orchestrator(:'owner') as elsewhere \gset
select tests.create_child(:'elsewhere', 'part', 0) as moved \gset
select tests.report_enqueued(:'elsewhere');
update public.tasks set project_id = tests.create_project(:'owner') where id = :'moved';
delete from public.projects where id = (tests.task(:'moved')).project_id;
select is(tests.status(:'elsewhere'), 'Cancelled', 'Children that go with their project count as deleted');
update fairlane_core.settings set finished_task_retention = '1 day';
select tests.create_orchestrator(:'owner', 2) as living \gset
select tests.create_child(:'living', 'part', 0) as finished \gset
select tests.finish_task(:'finished');
select tests.step_clock('3 days');
select fairlane_core.purge();
select is(tests.status(:'finished'), 'Complete', 'The purge keeps the children of one that runs');
select is(tests.status(:'living'), 'In Progress', 'Which goes on');

-- TEST: an orchestrator that comes after its children counts them
select gen_random_uuid() as awaited \gset
select tests.create_task(:'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'awaited'::text)) as early_bird \gset
insert into public.tasks (id, task_type, project_id)
values (:'awaited', 'film_orchestrator', (tests.task(:'early_bird')).project_id);
select results_eq(
  format('select open_count from fairlane_core.orchestrations where orchestrator_id = %L', :'awaited'), array[1],
  'A family whose orchestrator comes last is counted'
);
select tests.start(:'awaited');
select tests.finish_task(:'early_bird');
select tests.report_enqueued(:'awaited');
select is(tests.status(:'awaited'), 'Complete', 'And ends it');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
