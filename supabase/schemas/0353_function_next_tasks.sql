-- The tasks that claims would hand out next, whose turn it is first: filtered before they are cut.
create function queue.next_tasks(p_caller queue.caller, p_pool text, p_limit integer)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select t.*
  from (
    select u.user_id, u.claimable, u.running, u.turn_at
    from queue.user_load(p_caller, p_pool) as u
    where u.claimable > 0
    order by u.running, u.turn_at
    limit p_limit
  ) as u
    cross join lateral (
      select q.*
      from public.tasks as q
      where q.user_id = u.user_id
        and q.standing = 'ready'
        and (p_pool is null or q.pool = p_pool)
        and (q.run_type = 'cloud' or p_caller.kind = 'token')
      order by q.priority desc, q.created_at, q.id
      limit least(u.claimable, p_limit)
    ) as t
  where not queue.is_stale(t.created_at, t.attempts, t.params)
  order by u.running, u.turn_at, t.priority desc, t.created_at
  limit p_limit;
end;
$$;

comment on function queue.next_tasks(queue.caller, text, integer) is
  'Up to p_limit tasks that this caller''s claims would hand out next.';

revoke all on function queue.next_tasks(queue.caller, text, integer) from public, anon, authenticated, service_role;
