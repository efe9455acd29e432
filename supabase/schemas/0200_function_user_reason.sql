-- The owner's half of the one rule: why none of a user's cloud tasks may run now, null when they may.
create function queue.user_reason(p_slots queue.user_slots)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when not p_slots.has_credits then 'no_credits'
    when not p_slots.cloud_on then 'cloud_disabled'
    when p_slots.running >= p_slots.task_limit then 'user_at_limit'
  end;
end;
$$;

comment on function queue.user_reason(queue.user_slots) is
  'Why none of a user''s cloud tasks may run now: no_credits, cloud_disabled, user_at_limit, or null. The task''s own half is queue.task_standing.';

revoke all on function queue.user_reason(queue.user_slots) from public, anon, authenticated, service_role;
