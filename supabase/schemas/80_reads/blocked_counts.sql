-- What waits for which reason, and what keeps machines busy beside the tasks that count.

-- Queued tasks that cannot run now, as {"<reason>": n}; every queued task is either claimable or under exactly one
-- reason. A reason of the owner comes before stale, and so does that all places of orchestration are taken: only then are
-- the stale tasks of an owner told apart by kind, which no counter does.
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
      select b.user_id, b.pool, b.is_cloud, null::boolean as takes_slot, b.reason, b.task_count
      from queue.blocked_tasks as b
      where not v_own
        and b.is_cloud
      union all
      select b.user_id, b.pool, b.is_cloud, null, b.reason, b.task_count
      from queue.blocked_tasks as b
      where b.user_id = p_caller.user_id
      union all
      select o.user_id, o.pool, o.is_cloud, o.takes_slot, o.standing, o.delta
      from unnest(p_load.overtaken) as o
      where o.standing not in ('ready', 'active')
        and (v_own or o.is_cloud)
      union all
      select o.user_id, o.pool, o.is_cloud, o.takes_slot, o.standing, o.delta
      from queue.own_gpu_waiting(p_caller, p_pool) as o
    ),
    stale as (
      select
        w.pool, w.is_cloud, w.takes_slot, w.task_count, s.user_id,
        case
          when w.pool = any (v_paused) then 'pool_paused'
          else queue.reason_of(s, p_caller, w.is_cloud)
        end as reason,
        s.orchestrating >= s.orchestration_limit as has_no_place
      from waiting as w
        left join queue.user_slots as s on s.user_id = w.user_id
      where w.reason = 'stale'
        and (p_pool is null or w.pool = p_pool)
    ),
    orchestration as materialized (
      select y.name from public.task_types as y where y.category = 'orchestration'
      union
      -- A task that has grown stale was noted long before.
      select u.name
      from queue.unknown_types as u
      where not queue.takes_slot(u.name, null)
        and not exists (select from public.task_types as y where y.name = u.name)
    ),
    stale_by_kind as (
      select
        w.reason, w.task_count,
        case
          when w.reason is not null or w.has_no_place is not true or w.takes_slot then 0
          when not w.takes_slot then w.task_count
          -- Type by type through the index of live tasks, so that nothing else of the owner's is gone through.
          else (
            select coalesce(sum((
              select count(*)
              from public.tasks as t
              where t.user_id = w.user_id
                and t.task_type = y.name
                and t.standing = 'stale'
                and t.pool = w.pool
                and t.run_type = case when w.is_cloud then 'cloud' else 'local' end
                and not t.takes_slot
            )), 0)
            from orchestration as y
          )
        end as without_place
      from stale as w
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
        select coalesce(k.reason, c.reason), c.task_count
        from stale_by_kind as k
          cross join lateral (
            values ('user_at_limit', k.without_place), ('stale', k.task_count - k.without_place)
          ) as c (reason, task_count)
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

-- How many of the tasks that queue.blocked_by_reason counted wait for one of these reasons: several as one number, for
-- autoscalers that know fewer (docs/adr/0021).
create function queue.blocked_sum(p_blocked json, p_reasons text[])
returns integer
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(sum((p_blocked ->> r.reason)::integer), 0)
    from unnest(p_reasons) as r (reason)
  );
end;
$$;

-- What keeps machines busy beside the tasks that take a slot: orchestrators that have not enqueued everything yet (the
-- others only wait for their children), and starts that others ended under machines that have not let go yet. Without
-- these an autoscaler would stop machines at work.
create function queue.busy_beside(p_caller queue.caller, p_pool text, p_load queue.load_summary)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 1000;
  v_own boolean := p_caller.user_id is not null;
  v_orchestrating integer := 0;
  v_held integer;
begin
  -- Not looked for where the sums know of none.
  if p_load.active_orchestration > 0 then
    with kind as (
      -- The owner's places say how many still need a worker, over all pools and whoever runs them.
      select
        l.user_id,
        sum(case when p_pool is null or l.pool = p_pool then l.active_cloud_orchestration + case when v_own then l.active_local_orchestration else 0 end else 0 end) as here,
        sum(l.active_cloud_orchestration + l.active_local_orchestration) as everywhere,
        min(s.orchestrating) as orchestrating
      from queue.user_lines as l
        join queue.user_slots as s on s.user_id = l.user_id
      where l.active_cloud_orchestration + l.active_local_orchestration > 0
        and s.orchestrating > 0
        and (not v_own or l.user_id = p_caller.user_id)
      group by l.user_id
    ),
    working as (
      select
        k.user_id, k.here, k.everywhere,
        k.orchestrating - (
          select count(*) from queue.held_slots as h where h.user_id = k.user_id and h.let_go_at is null and not h.takes_slot
        ) as orchestrating
      from kind as k
      where k.here > 0
    ),
    -- Looked at only for an owner who has some here, some elsewhere, and only some that wait.
    waiting as materialized (
      select t.user_id
      from (select h.orchestrator_id from queue.handovers as h limit v_most) as h
        join public.tasks as t on t.id = h.orchestrator_id
      where (p_pool is null or t.pool = p_pool)
        and (v_own or t.token_id is null)
    )
    select coalesce(sum(
      case
        when w.here = w.everywhere or w.orchestrating in (0, w.everywhere) then least(w.here, w.orchestrating)
        else least(w.here - (select count(*) from waiting as h where h.user_id = w.user_id), w.orchestrating)
      end
    ), 0)
    into v_orchestrating
    from working as w;
  end if;

  select count(*)
  into v_held
  from queue.held_slots as h
  where h.let_go_at is null
    and (
      p_pool is null or h.pool = p_pool
      or (v_own and (
        select queue.is_served_by(p_caller, p_pool, t.pool, t.runs_on_own_gpu, t.run_type) from public.tasks as t where t.id = h.task_id
      ))
    )
    and (v_own or h.token_id is null)
    and (not v_own or h.user_id = p_caller.user_id);
  return greatest(v_orchestrating, 0) + v_held;
end;
$$;
