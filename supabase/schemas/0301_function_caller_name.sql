-- How the history names a caller.
create function queue.caller_name(p_caller queue.caller)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_caller.kind
    when 'token' then 'token:' || p_caller.token_id
    when 'user' then 'user:' || p_caller.user_id
    else p_caller.kind
  end;
end;
$$;

comment on function queue.caller_name(queue.caller) is 'service, token:<token id> or user:<user id>, as task_events.actor names it.';

revoke all on function queue.caller_name(queue.caller) from public, anon, authenticated, service_role;
