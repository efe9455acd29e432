-- The tasks that claims would hand out next, whose turn it is first: filtered before they are cut.
create function queue.next_tasks(p_caller queue.caller, p_pool text, p_limit integer, p_load queue.user_load_row[])
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_old_before timestamptz := queue.now() - (select s.stale_after from queue.settings as s);
  v_due_exist boolean := exists (
    select from public.tasks as t where t.standing = 'not_yet' and t.available_at <= queue.now()
  );
begin
  return query
  select t.*
  from (
    select u.user_id, u.claimable, u.running, u.turn_at
    from unnest(p_load) as u
    where u.claimable > 0
    order by u.running, u.turn_at
    limit p_limit
  ) as u
    cross join lateral (
      select c.*
      from (
        -- One pool and run type at a time: each comes from the index in the order of the line.
        select r.*
        from unnest(array['gpu', 'api']) as l (pool)
          cross join unnest(array['cloud', 'local']) as k (run_type)
          cross join lateral (
            select q.*
            from public.tasks as q
            where q.user_id = u.user_id
              and q.pool = l.pool
              and q.run_type = k.run_type
              and q.standing = 'ready'
              -- Asked only where the answer could be yes.
              and (q.attempts > 0 or q.created_at >= v_old_before or not queue.is_stale(q.created_at, q.attempts, q.params))
            order by q.priority desc, q.created_at, q.id
            limit least(u.claimable, p_limit)
          ) as r
        where (p_pool is null or l.pool = p_pool)
          and (k.run_type = 'cloud' or p_caller.user_id is not null)
        union all
        -- Due, but not yet released by a claim.
        select d.*
        from public.tasks as d
        where v_due_exist
          and d.standing = 'not_yet'
          and d.available_at <= queue.now()
          and d.user_id = u.user_id
          and (p_pool is null or d.pool = p_pool)
          and (d.run_type = 'cloud' or p_caller.user_id is not null)
          and queue.task_standing(d) = 'ready'
      ) as c
      order by c.priority desc, c.created_at, c.id
      limit least(u.claimable, p_limit)
    ) as t
  order by u.running, u.turn_at, t.priority desc, t.created_at
  limit p_limit;
end;
$$;

comment on function queue.next_tasks(queue.caller, text, integer, queue.user_load_row[]) is
  'Up to p_limit tasks that this caller''s claims would hand out next.';

revoke all on function queue.next_tasks(queue.caller, text, integer, queue.user_load_row[]) from public, anon, authenticated, service_role;
