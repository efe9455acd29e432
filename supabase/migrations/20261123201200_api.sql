-- What: the list of functions and views that callers use.
-- Why: public holds what the Data API exposes and nothing else.
-- Back out: apply the versions of these functions that the migrations before this one hold.

set lock_timeout = '5s';

-- A failure that may be tried again, as functions call it.
create function public.mark_task_failed(
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
as $$
begin
  return queue.mark_task_failed(p_caller, p_task_id, p_error_message, p_error_details, p_retryable, p_lease_token);
end;
$$;

comment on function public.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) is
  'Reports a failure. While starts are left and neither p_retryable nor the task''s type says otherwise, the task goes back to the queue and waits (queue.retry_wait); else it ends Failed. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id, changed (false: only recorded), will_retry, available_at}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION, 403. service_role only.';

revoke all on function public.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) from public, anon, authenticated, service_role;
grant execute on function public.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) to service_role;

-- Dead letters back into the queue, as operators call it (docs/operations.md).
create function public.requeue_tasks(
  p_task_ids uuid[] default null,
  p_filter jsonb default null,
  p_limit integer default 100,
  p_reason text default null,
  p_dry_run boolean default false,
  p_caller jsonb default '{"kind":"service"}'
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.requeue_tasks(p_caller, p_task_ids, p_filter, p_limit, p_reason, p_dry_run);
end;
$$;

comment on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) is
  'Puts Failed or Cancelled tasks back into the queue, named by ids or by a filter {status, task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before}; at most p_limit (1 to 1000) per call, the longest dead first. Each keeps its attempts and gets as many more as its type allows; the reason is in its history. Out: {requeued, matched, task_ids, dry_run}. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) to service_role;

-- Results that were never recorded, as operators mend them (docs/operations.md).
create function public.repair_generations(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.repair_generations(p_limit, p_dry_run);
end;
$$;

comment on function public.repair_generations(integer, boolean) is
  'Finds Complete tasks of a type that records generations which have none, and generations whose location is not their task''s output, up to p_limit of each, and mends them. Safe to repeat. Out: {missing, torn, task_ids, dry_run}. Errors: 400 INVALID_ARGUMENT. service_role only.';

revoke all on function public.repair_generations(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function public.repair_generations(integer, boolean) to service_role;

notify pgrst, 'reload schema';
