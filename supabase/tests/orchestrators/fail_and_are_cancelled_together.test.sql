begin;
select plan(27);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset

-- TEST: one child fails for good: the orchestrator fails at once, its children that run finish
select tests.create_orchestrator(:'owner', 3) as film \gset
select tests.create_child(:'film', 'part', 0) as first \gset
select tests.create_child(:'film', 'part', 1) as second \gset
select tests.create_child(:'film', 'part', 2, :'first') as third \gset
select tests.create_child(:'film', 'final', null, :'third') as whole \gset
select tests.start(:'second');
select tests.fail_child(:'first', 'CUDA out of memory');
select is(tests.status(:'film'), 'Failed', 'An orchestrator fails with a child');
select is(
  (tests.task(:'film')).error_message,
  format('Cascaded failed from related task %s: %s Failed: CUDA out of memory', :'first', tests.type_of('part')), 'It names the child and the reason'
);
select is((tests.task(:'film')).output_location, (tests.task(:'film')).error_message, 'Where deployed clients look, too');
select is(tests.status(:'whole'), 'Failed', 'What waited for the child has failed');
select is(tests.status(:'second'), 'In Progress', 'An independent sibling goes on');
select is(tests.finish_task(:'second'), 'Complete', 'And completes');
select is(tests.status(:'film'), 'Failed', 'The orchestrator stays Failed');

-- TEST: not before all of them are enqueued
select tests.create_orchestrator(:'owner', 3) as early \gset
select tests.create_child(:'early', 'part', 0) as early_child \gset
select tests.fail_child(:'early_child', 'bad input');
select is(tests.status(:'early'), 'In Progress', 'A failure does not end an orchestrator that is still enqueuing');
select tests.create_child(:'early', 'part', n) from generate_series(1, 2) as n;
select tests.create_child(:'early', 'final');
select is(tests.status(:'early'), 'Failed', 'It fails once its last child is enqueued');
select matches((tests.task(:'early')).error_message, 'Cascaded failed from related task ' || :'early_child', 'And names the one that failed');
select tests.create_orchestrator(:'owner') as reported \gset
select tests.create_child(:'reported', 'part', 0) as reported_child \gset
select tests.fail_child(:'reported_child');
select tests.report_enqueued(:'reported');
select is(tests.status(:'reported'), 'Failed', 'Or once it reports');

-- TEST: a cancelled child: cancelled when all have ended
select tests.create_orchestrator(:'owner', 3, 'montage_orchestrator') as joins \gset
select tests.create_child(:'joins', 'merge', 0) as join_one \gset
select tests.create_child(:'joins', 'merge', 1) as join_two \gset
update public.tasks set status = 'Cancelled' where id = :'join_one';
select is(tests.status(:'joins'), 'In Progress', 'A cancelled child alone ends nothing');
select tests.finish_task(:'join_two');
select is(tests.status(:'joins'), 'Cancelled', 'When all have ended, the orchestrator is Cancelled');
select matches((tests.task(:'joins')).error_message, 'Cascaded failed from related task ' || :'join_one', 'And names the one that was');

-- TEST: a cancelled orchestrator takes its children along, finished ones stay
select tests.create_orchestrator(:'owner', 3) as cancelled \gset
select tests.create_child(:'cancelled', 'part', 0) as done \gset
select tests.finish_task(:'done');
select tests.create_child(:'cancelled', 'part', 1) as running \gset
select tests.start(:'running');
select tests.create_child(:'cancelled', 'part', 2) as queued \gset
select tests.create_child(:'cancelled', 'final', null, :'queued') as waiting \gset
select public.update_task_status(tests.service(), :'cancelled', 'Cancelled', p_error_message => 'not wanted any more');
select is(
  array[tests.status(:'done'), tests.status(:'running'), tests.status(:'queued'), tests.status(:'waiting')],
  array['Complete', 'Cancelled', 'Cancelled', 'Cancelled'], 'Its children are Cancelled, but for the one that was done'
);
select matches(
  (tests.task(:'queued')).error_message, '^Cascaded failed from related task ' || :'cancelled', 'They name it where debug tools look'
);
select is((tests.task(:'running')).worker_id, 'gpu-' || :'running', 'A running child keeps its worker, which is told to stop');
select is((tests.task(:'cancelled')).error_message, 'not wanted any more', 'It keeps its own reason');
select tests.create_child(:'cancelled', 'part', 7) as too_late \gset
select is(tests.status(:'too_late'), 'Cancelled', 'A child that comes later is Cancelled at once');

-- TEST: deleted children are as if they had never been, and deleted orchestrators as if cancelled
select tests.create_orchestrator(:'owner', 2, 'montage_orchestrator') as smaller \gset
select tests.create_child(:'smaller', 'merge', 0) as kept \gset
select tests.create_child(:'smaller', 'merge', 1) as unwanted \gset
select tests.finish_task(:'kept');
delete from public.tasks where id = :'unwanted';
select is(tests.status(:'smaller'), 'Complete', 'Without the child that was left it is Complete');
select tests.create_orchestrator(:'owner', 3) as deleted \gset
select tests.create_child(:'deleted', 'part', 0) as orphan \gset
delete from public.tasks where id = :'deleted';
select is(tests.status(:'orphan'), 'Cancelled', 'The children of a deleted orchestrator are Cancelled');

-- TEST: families of families
select tests.create_orchestrator(:'owner', 2, 'montage_orchestrator') as grandparent \gset
select tests.create_child(:'grandparent', 'film_orchestrator') as parent_task \gset
select tests.start(:'parent_task');
select tests.create_child(:'parent_task', 'part', 0) as grandchild \gset
select tests.report_enqueued(:'grandparent');
select tests.report_enqueued(:'parent_task');
select tests.finish_task(:'grandchild');
select is(tests.status(:'parent_task'), 'Complete', 'A child may be an orchestrator');
select is(tests.status(:'grandparent'), 'Complete', 'Whose end ends its own');
select is((tests.task(:'grandparent')).output_location, 'https://files/' || :'grandchild', 'With what came from below');

-- TEST: what an orchestrator's end does to those who wait for it
select tests.create_orchestrator(:'owner', 2, 'montage_orchestrator') as awaited \gset
select tests.create_child(:'awaited', 'merge', 0) as awaited_child \gset
select tests.create_task(:'owner', p_dependant_on => :'awaited') as waiter \gset
select tests.finish_task(:'awaited_child');
select is((tests.task(:'waiter')).readiness, 'ready', 'A task that waits for an orchestrator is ready when it is Complete');
select is_empty('select * from fairlane_core.drift()', 'Nothing has drifted');
select is_empty('select * from tests.drift()', 'And the counters are what a recount says');

select * from finish();
rollback;
