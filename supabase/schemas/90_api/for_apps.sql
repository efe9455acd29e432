-- What apps and their users call: create, cancel, ask.

-- Enqueuing one task, as functions call it.
create function public.create_task(p_caller jsonb, p_task jsonb)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.create_tasks(p_caller, jsonb_build_array(p_task)) -> 0;
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.create_task(jsonb, jsonb) is
  'Enqueues one task, once: see create_tasks for what p_task holds. Out: {task_id, status, created (false: it was there before), task_type, project_id, dependant_on, run_type, priority, available_at, idempotency_key, output_location, created_at}. Errors as of create_tasks. service_role only.';

-- Enqueuing a batch, as functions call it.
create function public.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return json_build_object('tasks', queue.create_tasks(p_caller, p_tasks));
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.create_tasks(jsonb, jsonb) is
  'Enqueues 1 to 1000 tasks, all or none, each {task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key, max_attempts, timeout_seconds, created_at}; only task_type is needed, and a project or a parent in params. A task that is there already, by its id or its owner''s key, is answered as it is. Out: {tasks: [as create_task answers]} in the order sent. Errors: 400 INVALID_ARGUMENT, DEPENDENCY_CYCLE or PROJECT_REQUIRED, 403, 404 PROJECT_NOT_FOUND, 409 TASK_ID_TAKEN, 429 QUEUE_FULL. service_role only.';

-- Many tasks cancelled, a batch a call, as functions and operators ask for it.
create function public.cancel_tasks(
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
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.cancel_tasks(p_caller, p_filter, p_limit, p_reason);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.cancel_tasks(jsonb, integer, text, jsonb) is
  'Cancels live tasks that match every key of the filter {task_ids, status, task_type, user_id, project_id, orchestrator_task_id, created_before}; status is Queued (default) or In Progress. At most p_limit (1 to 1000) per call: repeat it while has_more is true. Tokens and users: their own. Out: {cancelled, passed_over, has_more}; passed_over are tasks that somebody is just changing. Safe to repeat. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

-- How a task stands, as functions ask it.
create function public.get_task_status(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.get_task_status(p_caller, p_task_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_task_status(jsonb, uuid) is
  '{task_id, task_type, status, attempt, error_message, created_at, updated_at, generation_started_at, generation_processed_at}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

-- What came of a task, as functions ask it.
create function public.get_task_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.get_task_output(p_caller, p_task_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_task_output(jsonb, uuid) is
  '{task_id, status, output_location (a progress text or the reason of a failure unless Complete), public_url (once Complete), thumbnail_url, error_message, result_data, params, dependant_on}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

-- Why a task is not running, as functions ask it.
create function public.explain_task(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.explain_task(p_caller, p_task_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.explain_task(jsonb, uuid) is
  'Why a task is not running: {task_id, status, claimable, reason, remedy, pool, runs_on_own_gpu, attempts, max_attempts, available_at, worker_id, tasks_ahead (in its owner''s line, up to 10000), users_ahead, running, task_limit, orchestrating, orchestration_limit, held, waits_for}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

-- A token for a machine of one's own, as users make it.
create function public.create_api_token(p_label text default '', p_expires_at timestamptz default null)
returns text
language sql
volatile
security invoker
set search_path = ''
as $$
  select queue.create_api_token(p_label, p_expires_at)
$$;

comment on function public.create_api_token(text, timestamptz) is
  'Creates a personal access token for the signed-in user and returns it, this once. Errors: 400 INVALID_ARGUMENT, 403 FORBIDDEN, 409 TOO_MANY_TOKENS.';

-- A token taken back, as its owner does it.
create function public.revoke_api_token(p_token_id uuid)
returns boolean
language sql
volatile
security invoker
set search_path = ''
as $$
  select queue.revoke_api_token(p_token_id)
$$;

comment on function public.revoke_api_token(uuid) is
  'Revokes one of the signed-in user''s tokens; false when there is no such token in use.';
