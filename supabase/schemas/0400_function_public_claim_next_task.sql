-- The claim, as functions call it.
create function public.claim_next_task(
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
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.claim_next_task(
    p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
  );
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) is
  'Hands one task to the caller, or null when there is none. In: who calls, the worker''s id, the pool (gpu when null), claim_id (repeat it when the reply was lost: same answer), whether tasks of the loaded model come before whose turn it is (they never keep it from others), minutes (fractions too) after which affinity no longer matters, dry run. Out: {task_id, task_type, params, project_id, lease_token, attempt, attempts}; a dry run answers {dry_run, available_tasks, task}. Errors: 400 INVALID_ARGUMENT, 403 UNKNOWN_TOKEN or FORBIDDEN, 409 WORKER_NOT_ELIGIBLE or CLAIM_ID_USED. service_role only.';

revoke all on function public.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) from public, anon, authenticated, service_role;
grant execute on function public.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) to service_role;
