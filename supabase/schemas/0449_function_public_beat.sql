-- A worker's beat, as the functions hand it in.
create function public.beat(
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
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.beat_by_route(p_caller, p_worker_id, p_status, p_task_ids, p_vram_total_mb, p_vram_used_mb, p_logs);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.beat(jsonb, text, text, uuid[], json, json, json) is
  'A worker''s beat, as functions call it. A service caller''s is that of func_worker_heartbeat_with_logs. A token''s is a sign of life for what its machine of this name runs: all of it, or the tasks in p_task_ids, where these are given; once it has beaten for a task, token_beat_limit is how long it may be silent. terminated puts what it runs back without counting the start, crashed puts it back; under a shared name what they name; what somebody holds at the next rescue. Log lines of tokens are kept if they name a task that the token runs. Out: {success, heartbeat_updated, logs_inserted, log_errors, stop: [{task_id, reason}]}. Errors: 400 INVALID_ARGUMENT, 403 for users. service_role only.';

revoke all on function public.beat(jsonb, text, text, uuid[], json, json, json) from public, anon, authenticated, service_role;
grant execute on function public.beat(jsonb, text, text, uuid[], json, json, json) to service_role;
