begin;
select plan(3);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset

-- TEST: a report that was lost for good: all parts are there, no whole, and nothing has moved for a while
select tests.create_orchestrator(:'owner', 1) as unreported \gset
select tests.create_child(:'unreported', 'part', 0) as part \gset
select tests.finish_task(:'part');
select fairlane_core.repair_orchestrations();
select is(tests.status(:'unreported'), 'In Progress', 'A whole may still come');
select tests.step_clock('11 minutes');
select fairlane_core.repair_orchestrations();
select is(tests.status(:'unreported'), 'Complete', 'After ten quiet minutes nobody waits for it');

-- TEST: what a task is a part of is asked of its type, too
select tests.create_orchestrator(:'owner') as film \gset
select tests.create_child(:'film', 'part', 5) as retyped \gset
update public.tasks set task_type = tests.type_of('final') where id = :'retyped';
select results_eq(format('select final_rank::integer from fairlane_core.subtasks where task_id = %L', :'retyped'), array[3], 'Another type is another part');

select * from finish();
rollback;
