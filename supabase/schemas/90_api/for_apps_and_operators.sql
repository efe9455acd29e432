-- What apps and their users call (create, cancel, ask), and what operators, autoscalers and jobs outside the database call.

-- Enqueuing one task, as functions call it.
create function fairlane.create_task(p_caller jsonb, p_task jsonb)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.create_tasks(p_caller, jsonb_build_array(p_task)) -> 0;
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.create_task(jsonb, jsonb) is
  'Enqueues one task, once: see create_tasks for p_task. Out: {task_id, status, created (false: it existed before), task_type, project_id, dependant_on, run_type, priority, available_at, idempotency_key, output_location, created_at}. Errors as of create_tasks. service_role only.';

-- Enqueuing a batch, as functions call it.
create function fairlane.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return json_build_object('tasks', fairlane_core.create_tasks(p_caller, p_tasks));
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.create_tasks(jsonb, jsonb) is
  'Enqueues 1 to 1000 tasks, all or none, each {task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key, max_attempts, timeout_seconds, created_at}; only task_type is needed, and a project or a parent in params. A task that already exists, by its id or its owner''s key, is returned as it is. Out: {tasks: [as create_task returns]} in the order sent. Errors: 400 INVALID_ARGUMENT, DEPENDENCY_CYCLE or PROJECT_REQUIRED, 403, 404 PROJECT_NOT_FOUND, 409 TASK_ID_TAKEN, 429 QUEUE_FULL. service_role only.';

-- Cancels many tasks, one batch per call, for functions and operators.
create function fairlane.cancel_tasks(
  p_filter jsonb,
  p_limit integer default 1000,
  p_reason text default null,
  p_caller jsonb default '{"kind":"service"}'
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.cancel_tasks(p_caller, p_filter, p_limit, p_reason);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.cancel_tasks(jsonb, integer, text, jsonb) is
  'Cancels live tasks that match every key of the filter {task_ids, status, task_type, user_id, project_id, orchestrator_task_id, created_before}; status is Queued (default) or In Progress. At most p_limit (1 to 1000) per call: repeat it while has_more is true. Tokens and users: their own. Out: {cancelled, passed_over, has_more}; passed_over are tasks that somebody is changing. Safe to repeat. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

-- The state of a task, as functions request it.
create function fairlane.get_task_status(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.get_task_status(p_caller, p_task_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.get_task_status(jsonb, uuid) is
  '{task_id, task_type, status, attempt, error_message, created_at, updated_at, generation_started_at, generation_processed_at}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

-- The result of a task, as functions request it.
create function fairlane.get_task_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.get_task_output(p_caller, p_task_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.get_task_output(jsonb, uuid) is
  '{task_id, status, output_location (a progress text or the reason of a failure unless Complete), public_url (once Complete), thumbnail_url, error_message, result_data, params, dependant_on}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

-- Why a task is not running, as functions request it.
create function fairlane.explain_task(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.explain_task(p_caller, p_task_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.explain_task(jsonb, uuid) is
  'Why a task is not running: {task_id, status, claimable, reason, remedy, pool, runs_on_own_gpu, attempts, max_attempts, available_at, worker_id, tasks_ahead (in its user queue, up to 10000), users_ahead, running, task_limit, orchestrating, orchestration_limit, held, waits_for}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

-- Creates a token for a user's own machine, as users call it.
create function fairlane.create_api_token(p_label text default '', p_expires_at timestamptz default null)
returns text
language sql
volatile
security invoker
set search_path = ''
as $$
  select fairlane_core.create_api_token(p_label, p_expires_at)
$$;

comment on function fairlane.create_api_token(text, timestamptz) is
  'Creates a personal access token for the signed-in user and returns it, only this once. Errors: 400 INVALID_ARGUMENT, 403 FORBIDDEN, 409 TOO_MANY_TOKENS.';

-- Revokes a token, as its owner calls it.
create function fairlane.revoke_api_token(p_token_id uuid)
returns boolean
language sql
volatile
security invoker
set search_path = ''
as $$
  select fairlane_core.revoke_api_token(p_token_id)
$$;

comment on function fairlane.revoke_api_token(uuid) is
  'Revokes one of the signed-in user''s tokens; false when there is no such token in use.';

-- The counts, as functions call them.
create function fairlane.task_counts(
  p_caller jsonb,
  p_run_type text default null,
  p_include_active boolean default true,
  p_unused text[] default null,
  p_include_lists boolean default true
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.task_counts(p_caller, p_run_type, p_include_active, p_unused, p_include_lists);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.task_counts(jsonb, text, boolean, text[], boolean) is
  'What is claimable now, what is active and what is blocked why, in one pool or all (null). p_unused: fields of the request that the counts do not use, for a warning (ROUTING_IGNORED). p_include_lists: false leaves the lists of users and tasks empty, at a third of the cost; the oldest age is then that of the oldest 200 tasks that were never started. Out: one JSON object, see docs/architecture.md; tasks in numbers, ages in seconds. A service caller sees the whole system, a token or user their own. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

-- The health of the fleet, as orchestrators request it.
create function fairlane.worker_health(p_caller jsonb, p_window_minutes numeric default 30)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.worker_health(p_caller, p_window_minutes);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.worker_health(jsonb, numeric) is
  'The state of the fleet, over a window of 1 to 1440 minutes: {window_minutes, by_health, workers, failures, spawning, snapshot_at}. Errors: 400 INVALID_ARGUMENT, 403 FORBIDDEN. service_role only.';

-- Why a worker gets nothing, as functions request it.
create function fairlane.explain_worker(p_caller jsonb, p_worker_id text, p_run_type text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.explain_worker(p_caller, p_worker_id, p_run_type);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.explain_worker(jsonb, text, text) is
  'Why a worker gets nothing from a pool (gpu when null): {worker_id, known, status, last_heartbeat, current_model, pool, gets_work, reason, remedy, claimable, holds, blocked}. Reasons: worker_terminating, worker_terminated, worker_error, holds_all_it_may, nothing_claimable. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

-- Whether the queue runs well, as functions request it.
create function fairlane.health(p_caller jsonb)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.health_while_locked
as $$
begin
  return fairlane_core.health(p_caller);
exception when lock_not_available then
  return fairlane_core.health_while_locked(p_caller);
end;
$$;

comment on function fairlane.health(jsonb) is
  'Whether the queue''s jobs run and its counters agree: {version, status: ok or degraded, reasons: [{code: JOB_LATE, JOB_FAILED, DRIFT, ROW_MISSING, RESTORE_UNFINISHED, SETTLING_LATE or HELD_UP, message}], notices: [{code: FIELD_NOT_USED or UNKNOWN_TASK_TYPE, message}], which are no fault, checked_at, database_started_at, jobs: [{job, period_seconds, ran_at, took_ms, result, failed_at, error}]}. Errors: 403. service_role only.';

-- Requeues dead letters, as operators call it (docs/operations.md).
create function fairlane.requeue_tasks(
  p_task_ids uuid[] default null,
  p_filter jsonb default null,
  p_limit integer default null,
  p_reason text default null,
  p_dry_run boolean default false,
  p_caller jsonb default '{"kind":"service"}'
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.requeue_tasks(p_caller, p_task_ids, p_filter, p_limit, p_reason, p_dry_run);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) is
  'Requeues Failed or Cancelled tasks, named by ids or selected by a filter {status, task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before}; all of the ids (at most 1000 at once, or p_limit: more are refused before anything changes), or of a filter at most p_limit (1 to 1000, default 100) per call, the oldest failure first: has_more says that others match, too. Each keeps its attempts and gets as many more as its type allows; the reason is in its history. Out: {requeued, matched, task_ids, passed_over, has_more, dry_run}; passed_over are those that are not Failed or Cancelled, do not exist, or that somebody is changing. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

-- Repairs results that were never recorded, as operators call it (docs/operations.md).
create function fairlane.repair_generations(
  p_limit integer default 1000, p_dry_run boolean default false, p_task_ids uuid[] default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.repair_generations(p_limit, p_dry_run, p_task_ids);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.repair_generations(integer, boolean, uuid[]) is
  'Creates missing result records of Complete tasks whose type creates generations, up to p_limit (1 to 10000; has_more says that another call may find more). What looks deleted or moved by the app is left alone and listed, up to p_limit, as doubtful_ids; those named in p_task_ids, and only those, are recorded anew. Safe to repeat. Out: {missing, torn, task_ids, doubtful_ids, has_more, dry_run}. Errors: 400 INVALID_ARGUMENT. service_role only.';

-- Gives a project and everything in it to another user, as operators call it (docs/operations.md).
create function fairlane.move_project(p_project_id uuid, p_user_id uuid, p_caller jsonb default '{"kind":"service"}')
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.move_project(p_caller, p_project_id, p_user_id);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.move_project(uuid, uuid, jsonb) is
  'Gives a project to another user, with its tasks, results, history, families and counters, in one transaction. Not while a task of it is In Progress, and not if a live task is related to one of another project: 409 PROJECT_HAS_TASKS, and nothing is changed. Out: {project_id, user_id, tasks, generations}. Errors: 400 INVALID_ARGUMENT, 403, 404 PROJECT_NOT_FOUND. service_role only.';

-- Adds or changes a type of task, as operators call it (docs/operations.md).
create function fairlane.set_task_type(p_name text, p_changes jsonb default '{}', p_caller jsonb default '{"kind":"service"}')
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.set_task_type(p_caller, p_name, p_changes);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.set_task_type(text, jsonb, jsonb) is
  'Adds or changes a type of task, also while tasks of it are queued or running. p_changes names what changes, of {pool: one of fairlane_core.pools(), category: generation, processing, orchestration or utility, content_type: image, video or null, creates_generation, is_active (false holds its tasks back), is_retryable, max_attempts: 1 to 1000 or null, timeout_seconds: up to 30 days or null, runs_on_own_gpu: true for a type of another pool that GPU machines of the task''s owner run, too}; a new type otherwise keeps what it counted as. Out: {name, change: added, changed or none, before, type, is_settled: false while tasks of it are still being updated}. Errors: 400 INVALID_ARGUMENT, 403, 503 UNAVAILABLE. service_role only.';

-- Lists types of enqueued tasks that have no row, as operators call it (docs/operations.md).
create function fairlane.unknown_task_types(p_caller jsonb default '{"kind":"service"}')
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.unknown_task_types(p_caller);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.unknown_task_types(jsonb) is
  'Types without a row in task_types that tasks were enqueued with in the last seven days, up to a minute or two ago: {types: [{name, task_count, first_seen_at, last_seen_at, taken_for: {pool, category, content_type, creates_generation, is_active, is_retryable, max_attempts, timeout_seconds, runs_on_own_gpu}, hint}], since}, the last seen first; at most 1000. Errors: 403, 503 UNAVAILABLE. service_role only.';

-- What the function sweep-files removes.
create function fairlane.files_to_sweep(p_caller jsonb, p_after text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.files_to_sweep(p_caller, p_after);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.files_to_sweep(jsonb, text) is
  'Files of failed, cancelled and deleted tasks, older than a day, that no output, result record or live task''s params name; among the thousand objects after the name p_after. Out: {files, next}; next is the p_after of the next page, null at the end. service_role only.';

-- What the functions have counted, as they report it.
create function fairlane.note_unused_fields(p_caller jsonb, p_endpoint text, p_counts jsonb)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  perform fairlane_core.note_unused_fields(p_caller, p_endpoint, p_counts);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
end;
$$;

comment on function fairlane.note_unused_fields(jsonb, text, jsonb) is
  'Adds what an instance of the endpoint has counted: p_counts = {field: how often it came and was not used}, at most 50 fields a call and 500 in all. Shown by health as FIELD_NOT_USED. Errors: 403. service_role only.';
