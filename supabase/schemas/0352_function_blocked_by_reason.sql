-- Queued tasks that cannot run now, per reason. A reason of the owner comes before stale.
create function queue.blocked_by_reason(p_caller queue.caller, p_pool text, p_load queue.user_load_row[])
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(json_object_agg(r.reason, r.task_count order by r.reason), '{}')
    from (
      select b.reason, sum(b.task_count) as task_count
      from (
        select
          case when c.reason = 'stale' then coalesce(u.reason, 'stale') else c.reason end as reason,
          c.task_count
        from (
          select k.user_id, k.pool, k.is_cloud, k.reason, k.task_count
          from queue.blocked_tasks as k
          union all
          select o.user_id, o.pool, o.is_cloud, o.stands, 1 from queue.overtaken_by_time() as o where o.stands <> 'ready'
          union all
          select o.user_id, o.pool, o.is_cloud, o.stood, -1 from queue.overtaken_by_time() as o where o.stood <> 'ready'
        ) as c
          left join queue.user_slots as s on s.user_id = c.user_id
          cross join lateral (select case when p_caller.user_id is null then s.cloud_reason else s.local_reason end as reason) as u
        where (p_pool is null or c.pool = p_pool)
          and case when p_caller.user_id is null then c.is_cloud else c.user_id = p_caller.user_id end
        union all
        -- Ready tasks of a user who may run some, but not all of them at once, wait for a slot.
        select coalesce(u.reason, 'user_at_limit'), u.ready - u.claimable
        from unnest(p_load) as u
        where u.ready > u.claimable
      ) as b
      group by b.reason
      having sum(b.task_count) > 0
    ) as r
  );
end;
$$;

comment on function queue.blocked_by_reason(queue.caller, text, queue.user_load_row[]) is
  'Queued tasks that cannot run now, as {"<reason>": n}; every queued task is either claimable or under exactly one reason.';

revoke all on function queue.blocked_by_reason(queue.caller, text, queue.user_load_row[]) from public, anon, authenticated, service_role;
