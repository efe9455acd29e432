begin;
select plan(4);

-- SETUP: everything that API roles may execute. A function of queue is here when a thin function of public calls it
-- with its caller's rights.
create temporary table listed_function as
select 'authenticated'::name as role_name, unnest('{
    create_api_token, queue.create_api_token, queue.revoke_api_token, revoke_api_token
  }'::text[]) as function_name
union all
select 'service_role'::name as role_name, unnest('{
    beat, queue.beat_by_route, cancel_tasks, queue.cancel_tasks, claim_next_task, queue.claim_next_task, queue.cleanup,
    complete_task, queue.complete_task, queue.count_on, queue.counts_of_place, create_task, create_tasks, queue.create_tasks,
    queue.drift, explain_task, queue.explain_task, explain_worker, queue.explain_worker, files_to_sweep, queue.files_to_sweep,
    queue.fleet_summary, func_get_task_counts, func_insert_logs_batch, func_update_worker_heartbeat,
    func_worker_heartbeat_with_logs, get_orchestrator_children, queue.get_orchestrator_children, get_predecessor_output,
    queue.get_predecessor_output, get_task_output, queue.get_task_output, get_task_status, queue.get_task_status,
    queue.has_called_lately, health, queue.health, queue.health_while_locked, queue.insert_logs_batch, queue.is_beating,
    keep_worker, queue.keep_worker, mark_task_failed, queue.mark_task_failed, queue.mend_orchestrations,
    queue.metadata_without_end, move_project, queue.move_project, note_call, queue.note_call, note_refused_claim,
    queue.note_refused_claim, note_unused_fields, queue.note_unused_fields, queue.purge, queue.reconcile,
    queue.refuse_while_locked, queue.repair_generations, repair_generations, queue.requeue_tasks, requeue_tasks, queue.rescue,
    queue.run_job, queue.set_task_type, set_task_type, queue.settle_deferred, queue.sweep, queue.task_counts, task_counts,
    queue.unknown_task_types, unknown_task_types, queue.update_task_status, update_task_status, queue.update_worker_model,
    update_worker_model, queue.upload_target, upload_target, queue.worker_health, worker_health, queue.worker_heartbeat,
    queue.worker_states
  }'::text[]) as function_name;
insert into listed_function select 'service_role', n.name from tests.functions_of_the_fleet() as n (name);

create temporary view executable_function as
select r.role_name, p.oid::regproc::text as function_name
from pg_catalog.pg_proc as p
  cross join unnest('{anon,authenticated,service_role}'::name[]) as r (role_name)
where p.pronamespace in ('public'::regnamespace, 'queue'::regnamespace)
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
    where p.pronamespace in ('public'::regnamespace, 'queue'::regnamespace)
      and a.grantee = 0
  $$,
  'No function is executable by public'
);

select * from finish();
rollback;
