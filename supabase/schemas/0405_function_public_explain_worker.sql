-- Why a worker gets nothing, as functions ask it.
create function public.explain_worker(p_caller jsonb, p_worker_id text, p_run_type text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.explain_worker(p_caller, p_worker_id, p_run_type);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.explain_worker(jsonb, text, text) is
  'Why a worker gets nothing from a pool (gpu when null): {worker_id, known, status, last_heartbeat, current_model, pool, gets_work, reason, remedy, claimable, holds, blocked}. Reasons: worker_terminating, worker_terminated, worker_error, holds_all_it_may, nothing_claimable. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.explain_worker(jsonb, text, text) from public, anon, authenticated, service_role;
grant execute on function public.explain_worker(jsonb, text, text) to service_role;
