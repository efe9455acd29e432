-- Which tasks a claim for a pool comes to. GPU machines of a user run some types of other pools as well, and name gpu; the
-- fleet's do not. In person a user is told of local tasks what the own machine makes of them (queue.reason_of).
create function queue.is_served_by(
  p_caller queue.caller, p_pool text, p_task_pool text, p_runs_on_own_gpu boolean, p_run_type text
)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    p_task_pool = p_pool or (
      p_pool = 'gpu' and p_runs_on_own_gpu
        and (p_caller.kind = 'token' or (p_caller.kind = 'user' and p_run_type = 'local'))
    ), false
  );
end;
$$;

comment on function queue.is_served_by(queue.caller, text, text, boolean, text) is
  'Whether this caller''s claims or counts for a pool are about a task of the owner''s with this pool, mark (tasks.runs_on_own_gpu) and run type. queue.own_gpu_line has those of other pools in order.';

revoke all on function queue.is_served_by(queue.caller, text, text, boolean, text) from public, anon, authenticated, service_role;
