-- Whose turn it is among the users who have something for a worker with a model: anything, or when the model is
-- required, a task of that model, of none, or one that has waited too long.
create function queue.lock_user_with_affinity(p_pool text, p_passed_over uuid[], p_affinity queue.affinity)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return (
    select s.user_id
    from queue.user_lines as l
      join queue.user_slots as s on s.user_id = l.user_id
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
      and (not p_affinity.is_required or queue.suits(l.user_id, p_pool, p_affinity))
    order by l.turn_load, l.turn_at
    limit 1
    for no key update of s skip locked
  );
end;
$$;

comment on function queue.lock_user_with_affinity(text, uuid[], queue.affinity) is
  'Locks the user whose turn it is among those with something for this affinity and returns the id; null when there is none that is free.';

revoke all on function queue.lock_user_with_affinity(text, uuid[], queue.affinity) from public, anon, authenticated, service_role;
