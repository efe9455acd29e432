begin;
select plan(14);

-- SETUP: ends that nobody noticed, as if the trigger had been off
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
create function pg_temp.mend() returns jsonb language plpgsql as $$
declare
  v_repaired jsonb;
begin
  set local role service_role;
  v_repaired := fairlane_core.repair_orchestrations();
  reset role;
  return v_repaired;
end;
$$;
create function pg_temp.end_unnoticed(p_task_id uuid, p_status text) returns void language plpgsql as $$
begin
  alter table public.tasks disable trigger tasks_after_update;
  perform tests.start(p_task_id);
  update public.tasks set status = p_status, output_location = 'https://files/' || id, error_message = 'broke' where id = p_task_id;
  alter table public.tasks enable trigger tasks_after_update;
  perform fairlane_core.reconcile();
end;
$$;
select is(pg_temp.mend(), '{"completed": 0, "failed": 0, "cancelled": 0, "children_cancelled": 0, "children_failed": 0}', 'Nothing to repair, nothing repaired');

-- TEST: a good end, a failure and a cancellation
select tests.create_orchestrator(:'owner', 2, 'montage_orchestrator') as complete \gset
select tests.create_child(:'complete', 'merge', 0) as complete_child \gset
select pg_temp.end_unnoticed(:'complete_child', 'Complete');
select tests.create_orchestrator(:'owner', 3, 'montage_orchestrator') as failed \gset
select tests.create_child(:'failed', 'merge', n) from generate_series(0, 1) as n;
select t.id as failed_child from public.tasks as t where t.params ->> fairlane_core.parent_key() = :'failed' limit 1 \gset
select pg_temp.end_unnoticed(:'failed_child', 'Failed');
select tests.create_orchestrator(:'owner', 2, 'montage_orchestrator') as cancelled \gset
select tests.create_child(:'cancelled', 'merge', 0) as cancelled_child \gset
select pg_temp.end_unnoticed(:'cancelled_child', 'Cancelled');
select is_empty('select * from fairlane_core.drift()', 'reconcile() has found the children''s ends');
select is(tests.status(:'complete'), 'In Progress', 'But ends nothing');
select is(pg_temp.mend(), '{"completed": 1, "failed": 1, "cancelled": 1, "children_cancelled": 0, "children_failed": 0}', 'repair_orchestrations() does');
select is(
  array[tests.status(:'complete'), tests.status(:'failed'), tests.status(:'cancelled')], array['Complete', 'Failed', 'Cancelled'], 'As their children say'
);
select is((tests.task(:'complete')).output_location, 'https://files/' || :'complete_child', 'With what the last child made');
select is(pg_temp.mend(), '{"completed": 0, "failed": 0, "cancelled": 0, "children_cancelled": 0, "children_failed": 0}', 'Once');

-- TEST: children that a cancelled orchestrator left
select tests.create_orchestrator(:'owner') as parent_task \gset
select tests.create_child(:'parent_task', 'part', 0) as left_behind \gset
select pg_temp.end_unnoticed(:'parent_task', 'Cancelled');
select is(tests.status(:'left_behind'), 'Queued', 'A child was left behind');
select is(pg_temp.mend(), '{"completed": 0, "failed": 0, "cancelled": 0, "children_cancelled": 1, "children_failed": 0}', 'repair_orchestrations() cancels it');
select is(tests.status(:'left_behind'), 'Cancelled', 'It goes after its orchestrator');

-- TEST: counts that have drifted
select tests.create_orchestrator(:'owner') as stray \gset
select tests.create_child(:'stray', 'part', 0);
update fairlane_core.orchestrations set open_count = open_count + 1, part_count = 0 where orchestrator_id = :'stray';
select is((select count(*) from fairlane_core.drift()), 1::bigint, 'drift() lists a family that is counted wrongly');
select fairlane_core.reconcile();
select is_empty('select * from fairlane_core.drift()', 'reconcile() counts it again');

-- TEST: children that are not known as such
select tests.create_orchestrator(:'owner', 2, 'montage_orchestrator') as forgotten \gset
select tests.create_child(:'forgotten', 'merge', 0) as unknown \gset
delete from fairlane_core.subtasks where task_id = :'unknown';
delete from fairlane_core.orchestrations where orchestrator_id = :'forgotten';
select fairlane_core.reconcile();
select is_empty('select * from fairlane_core.drift()', 'reconcile() knows them again');
select tests.finish_task(:'unknown');
select is(tests.status(:'forgotten'), 'Complete', 'And the orchestrator ends with them');

select * from finish();
rollback;
