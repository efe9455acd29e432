-- What the history says of a change of state, or of a start by the same holder, for which nobody has given it a reason
-- (queue.say): what the row itself says anew.
create function queue.reason_of_change(
  p_from text, p_to text, p_is_another_start boolean, p_old_message text, p_message text, p_old_details text, p_details text, p_is_direct boolean
)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_to = 'In Progress' and p_is_another_start then 'started again by its holder'
    when p_to = 'In Progress' then 'handed out again, the reply was lost'
    when p_to not in ('Failed', 'Queued', 'Cancelled') then null
    when p_message is distinct from p_old_message then p_message
    when p_details is distinct from p_old_details then p_details
    when p_to = 'Failed' then p_message
    -- Said again in the same words, which looks like not said.
    when p_from = 'In Progress' and p_is_direct then p_message
  end;
end;
$$;

comment on function queue.reason_of_change(text, text, boolean, text, text, text, text, boolean) is
  'The reason in the history for this change of a task''s state and texts, made directly or by a function, for which nobody has given one; null when the row says none.';

revoke all on function queue.reason_of_change(text, text, boolean, text, text, text, text, boolean) from public, anon, authenticated, service_role;
