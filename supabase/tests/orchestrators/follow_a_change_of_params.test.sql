begin;
select plan(29);

-- SETUP: two families, and a task of none
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
select tests.create_user() as stranger \gset
create function pg_temp.family(p_orchestrator_id uuid) returns text language sql as $$
  select format('%s open, %s complete, %s parts', o.open_count, o.complete_count, o.part_count)
  from fairlane_core.orchestrations as o where o.orchestrator_id = p_orchestrator_id;
$$;
-- As deployed clients change a row: with the service key, directly.
create function pg_temp.patch(p_task_id uuid, p_params jsonb) returns void language plpgsql as $$
begin
  set local role service_role;
  update public.tasks set params = p_params where id = p_task_id;
  reset role;
end;
$$;
create function pg_temp.named(p_parent text, p_index integer default 0) returns jsonb language sql as $$
  select jsonb_build_object(fairlane_core.parent_key(), p_parent, fairlane_core.place_key(), p_index);
$$;
select tests.create_orchestrator(:'owner') as one \gset
select tests.create_orchestrator(:'owner') as two \gset
select tests.create_child(:'one', 'part', n) from generate_series(0, 1) as n;
select t.id as moved from public.tasks as t where t.params ->> fairlane_core.parent_key() = :'one' and t.params ->> fairlane_core.place_key() = '0' \gset
select t.id as stays from public.tasks as t where t.params ->> fairlane_core.parent_key() = :'one' and t.params ->> fairlane_core.place_key() = '1' \gset
select tests.create_task(:'owner', tests.type_of('part')) as alone \gset

-- TEST: changed, added, taken away
select pg_temp.patch(:'moved', pg_temp.named(:'two'));
select is(pg_temp.family(:'one'), '1 open, 0 complete, 1 parts', 'A child that names another orchestrator leaves its family');
select is(pg_temp.family(:'two'), '1 open, 0 complete, 1 parts', 'And joins the other one');
select pg_temp.patch(:'alone', pg_temp.named(:'two', 1));
select is(pg_temp.family(:'two'), '2 open, 0 complete, 2 parts', 'A task that names one joins it');
select is_empty('select * from fairlane_core.drift()', 'Nothing has drifted');
select pg_temp.patch(:'alone', pg_temp.named(:'two', 7));
select results_eq(format('select part_index from fairlane_core.subtasks where task_id = %L', :'alone'), array[7], 'It may be another part');
select pg_temp.patch(:'alone', tests.child_params('run_7'));
select is(pg_temp.family(:'two'), '1 open, 0 complete, 1 parts', 'One that names none any more leaves');
select is_empty(format('select from fairlane_core.subtasks where task_id = %L', :'alone'), 'And is nobody''s child');
select is_empty('select * from fairlane_core.drift()', 'Nothing has drifted');
select is_empty('select * from tests.drift()', 'A recount by other means agrees');

-- TEST: the families end as they are now
select tests.report_enqueued(:'one');
select tests.report_enqueued(:'two');
select tests.finish_task(:'stays');
select is(tests.status(:'one'), 'Complete', 'The old family ends without the child');
select is(tests.status(:'two'), 'In Progress', 'The new one not');
select tests.finish_task(:'moved');
select is(tests.status(:'two'), 'Complete', 'But with it');

-- TEST: what has ended counts where it is
select tests.create_orchestrator(:'owner') as three \gset
select tests.create_orchestrator(:'owner') as four \gset
select tests.create_child(:'three', 'part', 0) as done \gset
select tests.create_child(:'four', 'part', 1) as other \gset
select tests.finish_task(:'done');
select pg_temp.patch(:'done', pg_temp.named(:'four'));
select is(pg_temp.family(:'four'), '1 open, 1 complete, 2 parts', 'A finished child takes its end along');
select is(pg_temp.family(:'three'), '0 open, 0 complete, 0 parts', 'And leaves nothing behind');

-- TEST: one that has lost its last child
select tests.create_orchestrator(:'owner') as five \gset
select tests.create_child(:'five', 'part', 0) as only_child \gset
select tests.report_enqueued(:'five');
select pg_temp.patch(:'only_child', '{}');
select is(tests.status(:'five'), 'Cancelled', 'An orchestrator whose only child was taken away is cancelled');
select is((tests.task(:'five')).error_message, 'all children were taken away from it', 'It says why');
select is(tests.status(:'only_child'), 'Queued', 'The child goes on');

-- TEST: a part that is there already, and one that comes too late
select tests.create_task(:'owner', tests.type_of('part')) as again \gset
select pg_temp.patch(:'again', pg_temp.named(:'four', 1));
select is(tests.status(:'other'), 'Cancelled', 'Who becomes a part that is there already replaces it');
select tests.create_task(:'owner', tests.type_of('part')) as late \gset
select pg_temp.patch(:'late', pg_temp.named(:'five', 1));
select is(tests.status(:'late'), 'Cancelled', 'A child that joins a cancelled family is cancelled with it');

-- TEST: a part becomes the final one; strangers are no family
select tests.create_child(:'four', 'part', 5) as retyped \gset
update public.tasks set task_type = tests.type_of('final'), params = tests.child_params(:'four', 'final') where id = :'retyped';
select results_eq(format('select final_rank::integer from fairlane_core.subtasks where task_id = %L', :'retyped'), array[3], 'It may be the final child');
select is_empty('select * from fairlane_core.drift()', 'Nothing has drifted');
select tests.create_task(:'stranger', tests.type_of('part')) as of_stranger \gset
select pg_temp.patch(:'of_stranger', pg_temp.named(:'four', 9));
select is(pg_temp.family(:'four'), '2 open, 1 complete, 2 parts', 'A stranger''s task is counted nowhere');
select is_empty('select * from fairlane_core.drift()', 'Nothing has drifted');

-- TEST: what a task waits for, changed by the owner of the database; the Data API is refused
select tests.create_task(:'owner') as first \gset
select tests.create_task(:'owner', p_dependant_on => :'first') as second \gset
select tests.create_task(:'owner') as third \gset
set local role service_role;
select throws_ok(
  format('update public.tasks set dependant_on = null where id = %L', :'second'), '42501', null, 'The service key changes no dependency'
);
reset role;
update public.tasks set dependant_on = :'third' where id = :'second';
select tests.finish_task(:'first');
select is((tests.task(:'second')).readiness, 'dependency_pending', 'It waits for what it names now');
select throws_ok(format('update public.tasks set dependant_on = %L where id = %L', :'second', :'third'), 'PT400', null, 'A circle is refused');
update public.tasks set dependant_on = null where id = :'second';
select is((tests.task(:'second')).readiness, 'ready', 'One that waits for nothing is ready');
select is_empty(format('select from fairlane_core.task_dependencies where task_id = %L', :'second'), 'And nothing says otherwise');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
