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

revoke all on function public.explain_task(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.explain_task(jsonb, uuid) to service_role;
