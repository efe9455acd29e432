-- Who may see and do what: all rights on one page. What no line here gives, nobody has. First everything is taken back, for
-- Postgres lets everybody execute a new function, and a platform may give every new object of public to everybody; then
-- follows what each role needs. In public only the queue's own objects are named: those of the app are the app's.

revoke all on schema queue from public, anon, authenticated, service_role;
revoke all on all tables in schema queue from public, anon, authenticated, service_role;
revoke all on all sequences in schema queue from public, anon, authenticated, service_role;
revoke all on all functions in schema queue from public, anon, authenticated, service_role;

revoke all on table public.task_types, public.task_events
  from public, anon, authenticated, service_role;
revoke all on sequence public.task_events_id_seq from public, anon, authenticated, service_role;
revoke all on table
  public.users, public.projects, public.tasks, public.workers, public.generations, public.system_logs, public.user_api_tokens
  from public, anon, authenticated, service_role;
revoke all on sequence public.system_logs_id_seq from public, anon, authenticated, service_role;

revoke all on function
  public.beat, public.cancel_tasks, public.claim_next_task, public.complete_task, public.create_api_token,
  public.create_task, public.create_tasks, public.explain_task, public.explain_worker, public.files_to_sweep,
  public.get_orchestrator_children, public.get_predecessor_output, public.get_task_output, public.get_task_status,
  public.health, public.keep_worker, public.mark_task_failed, public.move_project, public.note_call,
  public.note_refused_claim, public.note_unused_fields, public.repair_generations, public.requeue_tasks,
  public.revoke_api_token, public.set_task_type, public.task_counts, public.unknown_task_types,
  public.update_task_status, public.update_worker_model, public.upload_target, public.worker_health
  from public, anon, authenticated, service_role;

-- The thin functions of public run as their caller and reach the definer functions of queue.
grant usage on schema queue to authenticated, service_role;

-- Derived state may be looked at with the service key, and changed by the queue's own functions alone.
grant select on all tables in schema queue to service_role;

grant select on table public.users to authenticated;
grant select, insert, update, delete on table public.users to service_role;

create policy users_read_themselves on public.users
  for select to authenticated
  using (id = (select auth.uid()));

-- A user names a project; its id and its age are not theirs to change.
grant select, delete, insert (id, user_id, name), update (name) on table public.projects to authenticated;
grant select, insert, update, delete on table public.projects to service_role;

create policy owners_read_projects on public.projects
  for select to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null);

create policy owners_create_projects on public.projects
  for insert to authenticated
  with check (user_id = (select auth.uid()));

create policy owners_update_projects on public.projects
  for update to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null)
  with check (user_id = (select auth.uid()));

create policy owners_delete_projects on public.projects
  for delete to authenticated
  using (user_id = (select auth.uid()) and deleted_at is null);

grant select on table public.task_types to authenticated;
grant select, insert, update, delete on table public.task_types to service_role;

create policy everyone_signed_in_reads_task_types on public.task_types
  for select to authenticated
  using (true);

grant select on table public.tasks to authenticated;

-- created_at is accepted, because clients send it, and replaced (queue.tasks_before_insert).
grant insert (
  id, task_type, params, project_id, dependant_on, created_at, run_type, priority, available_at, idempotency_key
) on table public.tasks to authenticated;

grant select, delete on table public.tasks to service_role;

-- The columns that prove a claim or a requeue (lease_token, requeue_count, ...) are not among these:
-- only the queue's own functions can write them, and the state machine asks for that proof.
grant insert (
  id, task_type, params, status, project_id, user_id, dependant_on, output_location, attempts, error_message, created_at,
  updated_at, result_data, error_details, run_type, priority, available_at, idempotency_key, max_attempts, timeout
) on table public.tasks to service_role;

grant update (
  task_type, params, status, worker_id, output_location, attempts, error_message, updated_at,
  generation_started_at, generation_processed_at, result_data, error_details, thumbnail_url, run_type, priority,
  available_at, max_attempts, timeout
) on table public.tasks to service_role;

create policy owners_read_tasks on public.tasks
  for select to authenticated
  using (user_id = (select auth.uid()));

create policy owners_enqueue_tasks on public.tasks
  for insert to authenticated
  with check (user_id = (select auth.uid()));

grant select, delete on table public.workers to service_role;

-- All but reaped_at, failed_at, goodbye_at, ended_at and kept_at.
grant insert (id, instance_type, status, last_heartbeat, created_at, metadata, current_model),
  update (id, instance_type, status, last_heartbeat, created_at, metadata, current_model)
  on table public.workers to service_role;

grant select on table public.generations to authenticated;
grant select, insert, update, delete on table public.generations to service_role;

create policy owners_read_generations on public.generations
  for select to authenticated
  using (user_id = (select auth.uid()));

grant select on table public.task_events to authenticated, service_role;

create policy owners_read_task_events on public.task_events
  for select to authenticated
  using (user_id = (select auth.uid()));

grant usage on sequence public.system_logs_id_seq to service_role;
grant select, insert, delete on table public.system_logs to service_role;

grant select (id, user_id, label, created_at, token_prefix, expires_at, revoked_at)
  on table public.user_api_tokens to authenticated;
grant select, insert, update, delete on table public.user_api_tokens to service_role;

create policy owners_read_tokens on public.user_api_tokens
  for select to authenticated
  using (user_id = (select auth.uid()));

-- What signed-in users call, and what that calls in turn.
grant execute on function
  public.create_api_token, public.revoke_api_token, queue.create_api_token, queue.revoke_api_token
  to authenticated;

-- What the service key calls.
grant execute on function
  public.beat, public.cancel_tasks, public.claim_next_task, public.complete_task, public.create_task,
  public.create_tasks, public.explain_task, public.explain_worker, public.files_to_sweep,
  public.get_orchestrator_children, public.get_predecessor_output, public.get_task_output, public.get_task_status,
  public.health, public.keep_worker, public.mark_task_failed, public.move_project, public.note_call,
  public.note_refused_claim, public.note_unused_fields, public.repair_generations, public.requeue_tasks,
  public.set_task_type, public.task_counts, public.unknown_task_types, public.update_task_status,
  public.update_worker_model, public.upload_target, public.worker_health
  to service_role;

-- What that calls in turn, and what operators and the jobs call.
grant execute on function
  queue.beat_by_route, queue.cancel_tasks, queue.claim_next_task, queue.cleanup, queue.complete_task, queue.count_on,
  queue.create_tasks, queue.drift, queue.explain_task, queue.explain_worker, queue.files_to_sweep,
  queue.get_orchestrator_children, queue.get_predecessor_output, queue.get_task_output, queue.get_task_status,
  queue.health, queue.health_while_locked, queue.insert_logs_batch, queue.keep_worker, queue.mark_task_failed,
  queue.mend_orchestrations, queue.move_project, queue.note_call, queue.note_refused_claim, queue.note_unused_fields,
  queue.purge, queue.reconcile, queue.refuse_while_locked, queue.repair_generations, queue.requeue_tasks,
  queue.rescue, queue.run_job, queue.set_task_type, queue.settle_deferred, queue.sweep, queue.task_counts,
  queue.unknown_task_types, queue.update_task_status, queue.update_worker_model, queue.upload_target,
  queue.worker_health, queue.worker_heartbeat, queue.worker_states
  to service_role;

-- Triggers ask these with the rights of whoever writes.
grant execute on function
  queue.has_called_lately, queue.is_beating, queue.metadata_without_end
  to service_role;
