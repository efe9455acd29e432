-- Queued tasks that cannot run now, per reason. A reason of the owner comes before stale.
create function queue.blocked_by_reason(p_caller queue.caller, p_pool text, p_load queue.load_summary)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_own boolean := p_caller.user_id is not null;
  v_paused text[] := (select s.paused_pools from queue.settings as s);
begin
  return (
    with waiting as (
      select b.user_id, b.pool, b.is_cloud, b.reason, b.task_count
      from queue.blocked_tasks as b
      where not v_own
        and b.is_cloud
      union all
      select b.user_id, b.pool, b.is_cloud, b.reason, b.task_count
      from queue.blocked_tasks as b
      where b.user_id = p_caller.user_id
      union all
      select o.user_id, o.pool, o.is_cloud, o.standing, o.delta
      from unnest(p_load.overtaken) as o
      where o.standing <> 'ready'
        and (v_own or o.is_cloud)
    )
    select coalesce(json_object_agg(r.reason, r.task_count order by r.reason), '{}')
    from (
      select b.reason, sum(b.task_count) as task_count
      from (
        select w.reason, sum(w.task_count) as task_count
        from waiting as w
        where w.reason <> 'stale'
          and (p_pool is null or w.pool = p_pool)
        group by w.reason
        union all
        select
          case
            when w.pool = any (v_paused) then 'pool_paused'
            else coalesce(queue.reason_of(s, p_caller, w.is_cloud), 'stale')
          end,
          w.task_count
        from waiting as w
          left join queue.user_slots as s on s.user_id = w.user_id
        where w.reason = 'stale'
          and (p_pool is null or w.pool = p_pool)
        union all
        select o.reason, o.task_count
        from (
          values
            ('pool_paused', p_load.pool_paused),
            ('user_at_limit', p_load.user_at_limit),
            ('no_credits', p_load.no_credits),
            ('cloud_disabled', p_load.cloud_disabled),
            ('local_disabled', p_load.local_disabled)
        ) as o (reason, task_count)
      ) as b
      group by b.reason
      having sum(b.task_count) > 0
    ) as r
  );
end;
$$;

comment on function queue.blocked_by_reason(queue.caller, text, queue.load_summary) is
  'Queued tasks that cannot run now, as {"<reason>": n}; every queued task is either claimable or under exactly one reason.';

revoke all on function queue.blocked_by_reason(queue.caller, text, queue.load_summary) from public, anon, authenticated, service_role;
