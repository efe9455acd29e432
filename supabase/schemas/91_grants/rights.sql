-- Who may see and do what: all rights on one page. Nobody has a right that is not granted here. First everything is
-- revoked, because Postgres lets everybody execute a new function, and a platform may grant everybody every new object
-- of public; then each role gets what it needs. In public only the queue's own objects are named: those of the app are
-- not touched.

revoke all on schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all tables in schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all sequences in schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all functions in schema fairlane_core from public, anon, authenticated, service_role;

revoke all on table fairlane.task_types, fairlane.task_events
  from public, anon, authenticated, service_role;
revoke all on sequence fairlane.task_events_id_seq from public, anon, authenticated, service_role;
revoke all on table
  fairlane.owners, fairlane.projects, fairlane.tasks, fairlane.workers, fairlane.generations, fairlane.system_logs, fairlane.user_api_tokens
  from public, anon, authenticated, service_role;
revoke all on sequence fairlane.system_logs_id_seq from public, anon, authenticated, service_role;

revoke all on function
  fairlane.beat, fairlane.cancel_tasks, fairlane.claim_next_task, fairlane.complete_task, fairlane.create_api_token,
  fairlane.create_task, fairlane.create_tasks, fairlane.explain_task, fairlane.explain_worker, fairlane.files_to_sweep,
  fairlane.get_orchestrator_children, fairlane.get_predecessor_output, fairlane.get_task_output, fairlane.get_task_status,
  fairlane.health, fairlane.keep_worker, fairlane.mark_task_failed, fairlane.move_project, fairlane.note_call,
  fairlane.note_refused_claim, fairlane.note_unused_fields, fairlane.repair_generations, fairlane.requeue_tasks,
  fairlane.revoke_api_token, fairlane.set_task_type, fairlane.task_counts, fairlane.unknown_task_types,
  fairlane.update_task_status, fairlane.update_worker_model, fairlane.upload_target, fairlane.worker_health
  from public, anon, authenticated, service_role;

-- The thin functions of public run as their caller and call the definer functions of fairlane_core.
grant usage on schema fairlane_core to authenticated, service_role;

-- The service key may read derived state; only the queue's own functions change it.
grant select on all tables in schema fairlane_core to service_role;

grant select on table fairlane.owners to authenticated;
grant select, insert, update, delete on table fairlane.owners to service_role;

create policy users_read_themselves on fairlane.owners
  for select to authenticated
  using (id = (select auth.uid()));

-- A user names a project, but cannot choose its id or its age.
grant select, delete, insert (id, user_id, name), update (name) on table fairlane.projects to authenticated;
grant select, insert, update, delete on table fairlane.projects to service_role;

create policy owners_read_projects on fairlane.projects
  for select to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null);

create policy owners_create_projects on fairlane.projects
  for insert to authenticated
  with check (user_id = (select auth.uid()));

create policy owners_update_projects on fairlane.projects
  for update to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null)
  with check (user_id = (select auth.uid()));

create policy owners_delete_projects on fairlane.projects
  for delete to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null);

grant select on table fairlane.task_types to authenticated;
grant select, insert, update, delete on table fairlane.task_types to service_role;

create policy everyone_signed_in_reads_task_types on fairlane.task_types
  for select to authenticated
  using (true);

grant select on table fairlane.tasks to authenticated;

-- created_at is accepted, because clients send it, and replaced (fairlane_core.tasks_before_insert).
grant insert (
  id, task_type, params, project_id, dependant_on, created_at, run_type, priority, available_at, idempotency_key
) on table fairlane.tasks to authenticated;

grant select, delete on table fairlane.tasks to service_role;

-- The columns that prove a claim or a requeue (lease_token, requeue_count, ...) are not among these:
-- only the queue's own functions can write them, and the state machine asks for that proof.
grant insert (
  id, task_type, params, status, project_id, user_id, dependant_on, output_location, attempts, error_message, created_at,
  updated_at, result_data, error_details, run_type, priority, available_at, idempotency_key, max_attempts, timeout
) on table fairlane.tasks to service_role;

grant update (
  task_type, params, status, worker_id, output_location, attempts, error_message, updated_at,
  generation_started_at, generation_processed_at, result_data, error_details, thumbnail_url, run_type, priority,
  available_at, max_attempts, timeout
) on table fairlane.tasks to service_role;

create policy owners_read_tasks on fairlane.tasks
  for select to authenticated
  using (user_id = (select auth.uid()));

create policy owners_enqueue_tasks on fairlane.tasks
  for insert to authenticated
  with check (user_id = (select auth.uid()));

grant select, delete on table fairlane.workers to service_role;

-- All but reaped_at, failed_at, goodbye_at, ended_at and kept_at.
grant insert (id, instance_type, status, last_heartbeat, created_at, metadata, current_model),
  update (id, instance_type, status, last_heartbeat, created_at, metadata, current_model)
  on table fairlane.workers to service_role;

grant select on table fairlane.generations to authenticated;
grant select, insert, update, delete on table fairlane.generations to service_role;

create policy owners_read_generations on fairlane.generations
  for select to authenticated
  using (user_id = (select auth.uid()));

grant select on table fairlane.task_events to authenticated, service_role;

create policy owners_read_task_events on fairlane.task_events
  for select to authenticated
  using (user_id = (select auth.uid()));

grant usage on sequence fairlane.system_logs_id_seq to service_role;
grant select, insert, delete on table fairlane.system_logs to service_role;

grant select (id, user_id, label, created_at, token_prefix, expires_at, revoked_at)
  on table fairlane.user_api_tokens to authenticated;
grant select, insert, update, delete on table fairlane.user_api_tokens to service_role;

create policy owners_read_tokens on fairlane.user_api_tokens
  for select to authenticated
  using (user_id = (select auth.uid()));

-- What signed-in users call, and what those functions call.
grant execute on function
  fairlane.create_api_token, fairlane.revoke_api_token, fairlane_core.create_api_token, fairlane_core.revoke_api_token
  to authenticated;

-- What the service key calls.
grant execute on function
  fairlane.beat, fairlane.cancel_tasks, fairlane.claim_next_task, fairlane.complete_task, fairlane.create_task,
  fairlane.create_tasks, fairlane.explain_task, fairlane.explain_worker, fairlane.files_to_sweep,
  fairlane.get_orchestrator_children, fairlane.get_predecessor_output, fairlane.get_task_output, fairlane.get_task_status,
  fairlane.health, fairlane.keep_worker, fairlane.mark_task_failed, fairlane.move_project, fairlane.note_call,
  fairlane.note_refused_claim, fairlane.note_unused_fields, fairlane.repair_generations, fairlane.requeue_tasks,
  fairlane.set_task_type, fairlane.task_counts, fairlane.unknown_task_types, fairlane.update_task_status,
  fairlane.update_worker_model, fairlane.upload_target, fairlane.worker_health
  to service_role;

-- What those functions call, and what operators and the jobs call.
grant execute on function
  fairlane_core.beat_by_route, fairlane_core.cancel_tasks, fairlane_core.claim_next_task, fairlane_core.cleanup, fairlane_core.complete_task, fairlane_core.advance_status_totals,
  fairlane_core.create_tasks, fairlane_core.drift, fairlane_core.explain_task, fairlane_core.explain_worker, fairlane_core.files_to_sweep,
  fairlane_core.get_orchestrator_children, fairlane_core.get_predecessor_output, fairlane_core.get_task_output, fairlane_core.get_task_status,
  fairlane_core.health, fairlane_core.health_while_locked, fairlane_core.insert_logs_batch, fairlane_core.keep_worker, fairlane_core.mark_task_failed,
  fairlane_core.repair_orchestrations, fairlane_core.move_project, fairlane_core.note_call, fairlane_core.note_refused_claim, fairlane_core.note_unused_fields,
  fairlane_core.purge, fairlane_core.reconcile, fairlane_core.refuse_while_locked, fairlane_core.repair_generations, fairlane_core.requeue_tasks,
  fairlane_core.rescue, fairlane_core.run_job, fairlane_core.set_task_type, fairlane_core.settle_deferred, fairlane_core.sweep, fairlane_core.task_counts,
  fairlane_core.unknown_task_types, fairlane_core.update_task_status, fairlane_core.update_worker_model, fairlane_core.upload_target,
  fairlane_core.worker_health, fairlane_core.worker_heartbeat, fairlane_core.worker_states
  to service_role;

-- Triggers call these with the rights of the writer.
grant execute on function
  fairlane_core.has_called_lately, fairlane_core.is_beating, fairlane_core.metadata_without_end
  to service_role;
