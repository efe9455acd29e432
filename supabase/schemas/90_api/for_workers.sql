-- What workers call: thin functions that run with their caller's rights and call the function of the same name in
-- schema fairlane_core.

-- The claim, as functions call it.
create function fairlane.claim_next_task(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text default null,
  p_claim_id text default null,
  p_same_model_only boolean default false,
  p_max_task_wait_minutes numeric default null,
  p_dry_run boolean default false
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.claim_next_task(
    p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
  );
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) is
  'Hands one task to the caller, or null when there is none. In: the caller, the worker''s id, the pool (gpu when null), claim_id (repeat it when the reply was lost: same answer), whether tasks of the loaded model take precedence over the turn (the worker takes others if there are none), minutes (fractions too) after which affinity no longer matters, dry run. Out: {task_id, task_type, params, project_id, lease_token, attempt, attempts}; a dry run returns {dry_run, available_tasks, task}. Errors: 400 INVALID_ARGUMENT, 403 UNKNOWN_TOKEN or FORBIDDEN, 409 WORKER_NOT_ELIGIBLE or CLAIM_ID_USED. service_role only.';

-- Completion, as functions call it.
create function fairlane.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text default null,
  p_thumbnail_url text default null,
  p_result_data jsonb default null,
  p_lease_token uuid default null,
  p_description text default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.complete_task(p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token, p_description);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.complete_task(jsonb, uuid, text, text, jsonb, uuid, text) is
  'Completes a task: status, output, result record, history and dependents in one transaction, once. A repeat changes nothing and returns what is stored. p_description that is a JSON object becomes output_location, the output then stays the file. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION, 403. service_role only.';

-- Status reports, as functions call them.
create function fairlane.update_task_status(
  p_caller jsonb,
  p_task_id uuid,
  p_status text,
  p_output_location text default null,
  p_error_message text default null,
  p_error_details text default null,
  p_thumbnail_url text default null,
  p_result_data jsonb default null,
  p_reset_generation_started_at boolean default false,
  p_lease_token uuid default null,
  p_attempts integer default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.update_task_status(
    p_caller, p_task_id, p_status, p_output_location, p_error_message, p_error_details, p_thumbnail_url,
    p_result_data, p_reset_generation_started_at, p_lease_token, p_attempts
  );
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid, integer) is
  'Reports on a task: In Progress with a text or a new billing start, Failed with a reason (error_message, else output_location, else error_details), Complete, Cancelled, or Queued to release it; with error_details that is a failed attempt, number p_attempts, which counts. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id} and changed (false: only recorded; not in the reply to Complete). Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION (both states in the message), 403. service_role only.';

-- A failure that may be retried, as functions call it.
create function fairlane.mark_task_failed(
  p_caller jsonb,
  p_task_id uuid,
  p_error_message text default null,
  p_error_details text default null,
  p_retryable boolean default true,
  p_lease_token uuid default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.mark_task_failed(p_caller, p_task_id, p_error_message, p_error_details, p_retryable, p_lease_token);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) is
  'Reports a failure. While attempts are left and neither p_retryable nor the task''s type says otherwise, the task goes back to the queue and waits (fairlane_core.retry_wait); else it ends Failed. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id, changed (false: only recorded), will_retry, available_at}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION, 403. service_role only.';

-- Where the files of a task go, as functions request it.
create function fairlane.upload_target(p_caller jsonb, p_task_id uuid, p_lease_token uuid default null)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.upload_target(p_caller, p_task_id, p_lease_token);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.upload_target(jsonb, uuid, uuid) is
  'Whose folder the files of a task go to, and whether it still accepts any: while it runs, and after it was requeued from a worker that may still finish it. Out: {task_id, user_id, status, attempt, is_open}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST, 403. service_role only.';

-- A worker's heartbeat, as the functions pass it on.
create function fairlane.beat(
  p_caller jsonb,
  p_worker_id text,
  p_status text default 'active',
  p_task_ids uuid[] default null,
  p_vram_total_mb json default null,
  p_vram_used_mb json default null,
  p_logs json default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.beat_by_route(p_caller, p_worker_id, p_status, p_task_ids, p_vram_total_mb, p_vram_used_mb, p_logs);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.beat(jsonb, text, text, uuid[], json, json, json) is
  'A worker''s heartbeat, as functions call it. A service caller''s is that of func_worker_heartbeat_with_logs. A token''s is a sign of life for what its machine of this name runs: all of it, or the tasks in p_task_ids, if given; after its first heartbeat for a task it may be silent for token_beat_timeout. terminated requeues what it runs without counting the attempt, crashed requeues it; under a shared name only what it names; what somebody holds at the next rescue. Log lines of tokens are kept if they name a task that the token runs. Out: {success, heartbeat_updated, logs_inserted, log_errors, stop: [{task_id, reason}]}. Errors: 400 INVALID_ARGUMENT, 403 for users. service_role only.';

-- Keeps a machine that somebody started by hand, or no longer.
create function fairlane.keep_worker(p_worker_id text, p_keep boolean default true, p_caller jsonb default '{"kind":"service"}')
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.keep_worker(p_caller, p_worker_id, p_keep);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.keep_worker(text, boolean, jsonb) is
  'Brings a worker back that somebody set aside, and keeps it: while it sends heartbeats (an api worker always), no direct write of the service key sets it to terminating, terminated or error. With p_keep false orchestrators may set it aside again. Out: {worker_id, status, kept_at}. Errors: 404 WORKER_NOT_FOUND, 403. service_role only.';

-- Records that a call was made, as the functions report it.
create function fairlane.note_call(p_caller jsonb, p_task_id uuid)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.note_call(p_caller, p_task_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.note_call(jsonb, uuid) is
  'Records that a token''s call has named a task that it runs: a sign of life. True when it wrote; false when the task is not its own or was named within 10 s. service_role only.';

-- A refused claim, as the function that refused it reports it.
create function fairlane.note_refused_claim(p_caller jsonb, p_worker_id text)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.note_refused_claim(p_caller, p_worker_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.note_refused_claim(jsonb, text) is
  'Records, at most once a minute per worker, that a claim was refused because of the worker''s status; true when it did. An api worker that only others reported as silent or gone is active again. service_role only.';

-- Which model a worker has loaded, as functions report it.
create function fairlane.update_worker_model(p_caller jsonb, p_worker_id text, p_model text)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.update_worker_model(p_caller, p_worker_id, p_model);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.update_worker_model(jsonb, text, text) is
  'Records the model that a worker has loaded: {worker_id, current_model}. Errors: 404 WORKER_NOT_FOUND, 400 INVALID_ARGUMENT, 403 for all but the service. service_role only.';

-- The output that a task builds on, as functions request it.
create function fairlane.get_predecessor_output(
  p_caller jsonb, p_task_id uuid, p_parent_generation_id uuid default null, p_child_order integer default null
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.get_predecessor_output(p_caller, p_task_id, p_parent_generation_id, p_child_order);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.get_predecessor_output(jsonb, uuid, uuid, integer) is
  'Null for a task without dependencies, else {predecessor_id, output_location (null until all are Complete), status (null when there is no such task of the same owner), predecessors: the same for every dependency, all_complete, lookup_method}; the first dependency is tasks.dependant_on. Without one, and with p_parent_generation_id and p_child_order: the owner''s newest record at the position before it, or nulls. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

-- The tasks that an orchestrator has enqueued, as functions request them.
create function fairlane.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.get_orchestrator_children(p_caller, p_orchestrator_task_id, p_after);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.get_orchestrator_children(jsonb, uuid, text) is
  '{tasks: [{id, task_type, status, params, output_location}], is_cut, next}: the tasks of the same owner whose params name this task as their parent, oldest first; at most 1000 and 32 MiB, is_cut says that there are more, and next is the p_after that returns them. Errors: 400 INVALID_ARGUMENT, 404 TASK_NOT_FOUND, 403. service_role only.';
