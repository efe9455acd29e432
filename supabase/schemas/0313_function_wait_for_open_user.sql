-- The second look of a claim: every user with work is just being served by somebody else, so wait for the one whose
-- turn it is.
create function queue.wait_for_open_user(
  p_pool text,
  p_passed_over uuid[],
  out user_id uuid,
  out is_locked boolean
)
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  -- Whoever sorts on reads all lines; the first of the index is all that is needed, as in the look before.
  select l.user_id
  into wait_for_open_user.user_id
  from queue.user_lines as l
  where l.pool = p_pool
    and l.is_open
    and l.user_id <> all (p_passed_over)
  order by l.turn_load, l.turn_at
  limit 1;

  is_locked := wait_for_open_user.user_id is not null and queue.wait_for_owner(wait_for_open_user.user_id);
end;
$$;

comment on function queue.wait_for_open_user(text, uuid[]) is
  'The user whose turn it is in the pool (null when there is none), and whether the lock on it could be had (queue.wait_for_owner).';

revoke all on function queue.wait_for_open_user(text, uuid[]) from public, anon, authenticated, service_role;
