-- Whose turn it is for a worker with a model. If it asks for its model first, the first of the next users in turn who has
-- something that suits it; when none of them has, whose turn it is: no worker stands idle while something is claimable.
create function queue.lock_user_with_affinity(p_pool text, p_passed_over uuid[], p_affinity queue.affinity)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  -- So many lines are looked into. A claim must not become dearer with each user who has work.
  v_look_at constant integer := 20;
  v_user_id uuid;
begin
  if p_affinity.is_required then
    select s.user_id
    into v_user_id
    from (
      select l as line, l.user_id, l.turn_load, l.turn_at
      from queue.user_lines as l
      where l.pool = p_pool
        and l.is_open
        and l.user_id <> all (p_passed_over)
      order by l.turn_load, l.turn_at
      limit v_look_at
    ) as n
      join queue.user_slots as s on s.user_id = n.user_id
    where queue.suits(n.line, p_affinity)
    order by n.turn_load, n.turn_at
    limit 1
    for no key update of s skip locked;
    if v_user_id is not null then
      return v_user_id;
    end if;
  end if;

  return (
    select s.user_id
    from queue.user_lines as l
      join queue.user_slots as s on s.user_id = l.user_id
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
    order by l.turn_load, l.turn_at
    limit 1
    for no key update of s skip locked
  );
end;
$$;

comment on function queue.lock_user_with_affinity(text, uuid[], queue.affinity) is
  'Locks the user whose turn it is and returns the id; with is_required, of the next 20 in turn the first who has something that suits (queue.suits), if there is one. Null when there is none that is free.';

revoke all on function queue.lock_user_with_affinity(text, uuid[], queue.affinity) from public, anon, authenticated, service_role;
