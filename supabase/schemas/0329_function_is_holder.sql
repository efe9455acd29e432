-- Whether a caller is the one who runs the task. A lease is no proof here: owners can read it. The service key speaks for
-- any worker of the fleet, because deployed workers do not say which one they are; a user who has signed in runs nothing.
create function queue.is_holder(p_caller queue.caller, p_task public.tasks)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_caller.kind
    when 'service' then p_task.token_id is null
    when 'token' then p_task.token_id is not distinct from p_caller.token_id
    else false
  end;
end;
$$;

comment on function queue.is_holder(queue.caller, public.tasks) is
  'Whether this caller holds the running task: a token what was claimed with it, the service key what no token holds, a signed-in user nothing.';

revoke all on function queue.is_holder(queue.caller, public.tasks) from public, anon, authenticated, service_role;
