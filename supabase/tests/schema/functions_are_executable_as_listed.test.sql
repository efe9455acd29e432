begin;
select plan(4);

-- SETUP: everything that API roles may execute. A function of queue is here when a thin function of public calls it
-- with its caller's rights.
create temporary table listed_function (role_name name, function_name text);
insert into listed_function values
  ('authenticated', 'create_api_token'),
  ('authenticated', 'queue.create_api_token'),
  ('authenticated', 'revoke_api_token'),
  ('authenticated', 'queue.revoke_api_token'),
  ('service_role', 'queue.refuse_while_locked'),
  ('service_role', 'claim_next_task'),
  ('service_role', 'queue.claim_next_task'),
  ('service_role', 'complete_task'),
  ('service_role', 'queue.complete_task'),
  ('service_role', 'mark_task_failed'),
  ('service_role', 'queue.mark_task_failed'),
  ('service_role', 'move_project'),
  ('service_role', 'note_unused_fields'),
  ('service_role', 'queue.note_unused_fields'),
  ('service_role', 'queue.move_project'),
  ('service_role', 'set_task_type'),
  ('service_role', 'queue.set_task_type'),
  ('service_role', 'unknown_task_types'),
  ('service_role', 'queue.unknown_task_types'),
  ('service_role', 'queue.rescue'),
  ('service_role', 'queue.settle_deferred'),
  ('service_role', 'queue.cleanup'),
  ('service_role', 'queue.purge'),
  ('service_role', 'queue.run_job'),
  ('service_role', 'requeue_tasks'),
  ('service_role', 'queue.requeue_tasks'),
  ('service_role', 'repair_generations'),
  ('service_role', 'queue.repair_generations'),
  ('service_role', 'create_task'),
  ('service_role', 'create_tasks'),
  ('service_role', 'queue.create_tasks'),
  ('service_role', 'explain_task'),
  ('service_role', 'queue.explain_task'),
  ('service_role', 'explain_worker'),
  ('service_role', 'queue.explain_worker'),
  ('service_role', 'beat'),
  ('service_role', 'queue.beat_by_route'),
  ('service_role', 'note_call'),
  ('service_role', 'queue.note_call'),
  ('service_role', 'keep_worker'),
  ('service_role', 'queue.keep_worker'),
  ('service_role', 'queue.counts_of_place'),
  ('service_role', 'queue.has_called_lately'),
  ('service_role', 'queue.is_beating'),
  ('service_role', 'queue.metadata_without_end'),
  ('service_role', 'note_refused_claim'),
  ('service_role', 'queue.note_refused_claim'),
  ('service_role', 'health'),
  ('service_role', 'queue.health'),
  ('service_role', 'queue.health_while_locked'),
  ('service_role', 'worker_health'),
  ('service_role', 'queue.worker_health'),
  ('service_role', 'queue.worker_states'),
  ('service_role', 'queue.fleet_summary'),
  ('service_role', 'queue.count_on'),
  ('service_role', 'func_get_task_counts'),
  ('service_role', 'func_insert_logs_batch'),
  ('service_role', 'queue.insert_logs_batch'),
  ('service_role', 'func_update_worker_heartbeat'),
  ('service_role', 'func_worker_heartbeat_with_logs'),
  ('service_role', 'queue.worker_heartbeat'),
  ('service_role', 'queue.drift'),
  ('service_role', 'queue.mend_orchestrations'),
  ('service_role', 'queue.reconcile'),
  ('service_role', 'queue.sweep'),
  ('service_role', 'get_task_status'),
  ('service_role', 'queue.get_task_status'),
  ('service_role', 'get_task_output'),
  ('service_role', 'queue.get_task_output'),
  ('service_role', 'get_predecessor_output'),
  ('service_role', 'queue.get_predecessor_output'),
  ('service_role', 'cancel_tasks'),
  ('service_role', 'queue.cancel_tasks'),
  ('service_role', 'get_orchestrator_children'),
  ('service_role', 'queue.get_orchestrator_children'),
  ('service_role', 'update_worker_model'),
  ('service_role', 'queue.update_worker_model'),
  ('service_role', 'task_counts'),
  ('service_role', 'queue.task_counts'),
  ('service_role', 'update_task_status'),
  ('service_role', 'queue.update_task_status'),
  ('service_role', 'files_to_sweep'),
  ('service_role', 'queue.files_to_sweep'),
  ('service_role', 'upload_target'),
  ('service_role', 'queue.upload_target');

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
