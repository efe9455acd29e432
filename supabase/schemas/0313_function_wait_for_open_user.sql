-- The second look of a claim: every user with work is just being served by somebody else, so wait for the one whose
-- turn it is.
create function queue.wait_for_open_user(p_pool text, p_passed_over uuid[], p_affinity queue.affinity)
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
      and (p_affinity.model is null or not p_affinity.is_required or queue.suits(l.user_id, p_pool, p_affinity))
    order by l.running, l.turn_at
    limit 1
    for no key update of s
  );
end;
$$;

comment on function queue.wait_for_open_user(text, uuid[], queue.affinity) is
  'Waits for the lock on the user whose turn it is in the pool and returns the id; null when there is none.';

revoke all on function queue.wait_for_open_user(text, uuid[], queue.affinity) from public, anon, authenticated, service_role;
