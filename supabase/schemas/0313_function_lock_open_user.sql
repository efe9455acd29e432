-- Whose turn it is in a pool: of the open users the one with the fewest running tasks, then the one who waited
-- longest. Users whom somebody else is just serving are passed over; only a second look waits for one.
create function queue.lock_open_user(p_pool text, p_passed_over uuid[], p_wait boolean)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  if p_wait then
    select s.user_id
    into v_user_id
    from queue.user_lines as l
      join queue.user_slots as s on s.user_id = l.user_id
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
    order by l.running, l.turn_at
    limit 1
    for no key update of s;
  else
    select s.user_id
    into v_user_id
    from queue.user_lines as l
      join queue.user_slots as s on s.user_id = l.user_id
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
    order by l.running, l.turn_at
    limit 1
    for no key update of s skip locked;
  end if;
  return v_user_id;
end;
$$;

comment on function queue.lock_open_user(text, uuid[], boolean) is
  'Locks the user whose turn it is in the pool and returns the id; null when there is none (or, without waiting, none that is free).';

revoke all on function queue.lock_open_user(text, uuid[], boolean) from public, anon, authenticated, service_role;
