-- Why none of a user's tasks may run now, as this caller would find it: the fleet asks for credits and the cloud switch,
-- the user's own machine for the switch onComputer.
create function queue.caller_reason(p_caller queue.caller, p_slots queue.user_slots)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_caller.user_id is null then queue.user_reason(p_slots)
    when not p_slots.local_on then 'local_disabled'
    when p_slots.running >= p_slots.task_limit then 'user_at_limit'
  end;
end;
$$;

comment on function queue.caller_reason(queue.caller, queue.user_slots) is
  'Why none of a user''s tasks may run now for this caller: queue.user_reason for the fleet; local_disabled or user_at_limit for the user''s own machine; null when they may.';

revoke all on function queue.caller_reason(queue.caller, queue.user_slots) from public, anon, authenticated, service_role;
