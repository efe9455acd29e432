-- The owner's half of the one rule, for whoever asks. A token speaks for a machine of its user's, which runs either kind of
-- task and needs no credits. For everybody else, its owner in person too, a cloud task is what the fleet makes of it.
create function queue.reason_of(p_slots queue.user_slots, p_caller queue.caller, p_is_cloud boolean)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case when p_is_cloud and p_caller.kind <> 'token' then p_slots.cloud_reason else p_slots.local_reason end;
end;
$$;

comment on function queue.reason_of(queue.user_slots, queue.caller, boolean) is
  'Why this caller finds that the owner''s cloud or local tasks may not run now, as far as the owner is concerned; null = they may. Counts and explain take it from here.';

revoke all on function queue.reason_of(queue.user_slots, queue.caller, boolean) from public, anon, authenticated, service_role;
