begin;
select plan(4);

-- SETUP: everything that API roles may execute. A function of queue is here when a thin function of public calls it
-- with its caller's rights.
create temporary table listed_function as
select 'authenticated'::name as role_name, unnest('{
    create_api_token, fairlane_core.create_api_token, fairlane_core.revoke_api_token, revoke_api_token
  }'::text[]) as function_name
union all
select 'service_role'::name as role_name, unnest('{
    beat, fairlane_core.beat_by_route, cancel_tasks, fairlane_core.cancel_tasks, claim_next_task, fairlane_core.claim_next_task, fairlane_core.cleanup,
    complete_task, fairlane_core.complete_task, fairlane_core.advance_status_totals, create_task, create_tasks, fairlane_core.create_tasks,
    fairlane_core.drift, explain_task, fairlane_core.explain_task, explain_worker, fairlane_core.explain_worker, files_to_sweep, fairlane_core.files_to_sweep,
    get_orchestrator_children, fairlane_core.get_orchestrator_children, get_predecessor_output,
    fairlane_core.get_predecessor_output, get_task_output, fairlane_core.get_task_output, get_task_status, fairlane_core.get_task_status,
    fairlane_core.has_called_lately, health, fairlane_core.health, fairlane_core.health_while_locked, fairlane_core.insert_logs_batch, fairlane_core.is_beating,
    keep_worker, fairlane_core.keep_worker, mark_task_failed, fairlane_core.mark_task_failed, fairlane_core.repair_orchestrations,
    fairlane_core.metadata_without_end, move_project, fairlane_core.move_project, note_call, fairlane_core.note_call, note_refused_claim,
    fairlane_core.note_refused_claim, note_unused_fields, fairlane_core.note_unused_fields, fairlane_core.purge, fairlane_core.reconcile,
    fairlane_core.refuse_while_locked, fairlane_core.repair_generations, repair_generations, fairlane_core.requeue_tasks, requeue_tasks, fairlane_core.rescue,
    fairlane_core.run_job, fairlane_core.set_task_type, set_task_type, fairlane_core.settle_deferred, fairlane_core.sweep, fairlane_core.task_counts, task_counts,
    fairlane_core.unknown_task_types, unknown_task_types, fairlane_core.update_task_status, update_task_status, fairlane_core.update_worker_model,
    update_worker_model, fairlane_core.upload_target, upload_target, fairlane_core.worker_health, worker_health, fairlane_core.worker_heartbeat,
    fairlane_core.worker_states
  }'::text[]) as function_name;
insert into listed_function select 'service_role', n.name from tests.functions_of_the_fleet() as n (name);

create temporary view executable_function as
select r.role_name, case when n.nspname = 'fairlane_core' then 'fairlane_core.' else '' end || p.proname as function_name
from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  cross join unnest('{anon,authenticated,service_role}'::name[]) as r (role_name)
where p.pronamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
  and has_function_privilege(r.role_name, p.oid, 'execute');

-- TEST: each role executes what is listed for it, no more and no less
select is_empty(
  $$ select function_name from executable_function where role_name = 'anon' $$,
  'anon executes nothing'
);
select set_eq(
  $$ select function_name from executable_function where role_name = 'authenticated' $$,
  $$ select function_name from listed_function where role_name = 'authenticated' $$,
  'authenticated executes what is listed'
);
select set_eq(
  $$ select function_name from executable_function where role_name = 'service_role' $$,
  $$ select function_name from listed_function where role_name = 'service_role' $$,
  'service_role executes what is listed'
);

-- TEST: Postgres lets everybody execute a new function unless that is taken back
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_catalog.pg_proc as p
      cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
    where p.pronamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
      and a.grantee = 0
  $$,
  'No function is executable by public'
);

select * from finish();
rollback;
