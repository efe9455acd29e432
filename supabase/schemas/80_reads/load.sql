-- What a caller has in the queue, summed from the counters; and what keeps machines busy besides the counted tasks.

-- How many tasks this caller could claim one after another now.
create function fairlane_core.claimable_count(p_caller fairlane_core.caller, p_pool text)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (fairlane_core.load_summary(p_caller, p_pool)).claimable;
end;
$$;

-- The queue's totals for this caller, in one pool or all (null). A user queue's row contains what its owner adds, so
-- the fleet's sums are one scan of the rows. Exceptions are owners with a counter that is outdated by time and owners
-- whose queues share one limit: those, and the one owner of a token or user, are read separately. What machines of that
-- owner run of other pools is added to gpu as if it had just arrived there.
create function fairlane_core.load_summary(p_caller fairlane_core.caller, p_pool text)
returns fairlane_core.load_summary
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- the first rows in an order come from the index with that order
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_own boolean := p_caller.user_id is not null;
  v_apart uuid[];
  v_none_apart boolean;
  v_paused text[] := (select s.paused_pools from fairlane_core.settings as s);
  v_none_paused boolean := v_paused = '{}';
  v_ready integer;
  v_sum fairlane_core.load_summary;
begin
  -- Two queries show that nothing is outdated, as is almost always the case.
  if (
      select true from fairlane.tasks as t where t.readiness = 'not_yet' and t.available_at <= v_now order by t.available_at limit 1
    )
    or (
      select true
      from fairlane.tasks as t
      where t.readiness = 'ready'
        and t.attempts = 0
        and t.claimed_at is null
        and greatest(t.created_at, t.available_at, t.released_at) < fairlane_core.stale_before()
      order by greatest(t.created_at, t.available_at, t.released_at)
      limit 1
    ) then
    v_sum.overtaken := array(select o from fairlane_core.due_readiness_changes(p_caller.user_id) as o);
  end if;
  if exists (select from fairlane_core.deferred_work as w where w.task_type is not null) then
    v_sum.overtaken := v_sum.overtaken || array(select o from fairlane_core.overtaken_by_types(p_caller.user_id) as o);
  end if;

  if v_own then
    v_sum.overtaken := v_sum.overtaken || array(select o from fairlane_core.own_gpu_load(p_caller, p_pool) as o);
    v_apart := array[p_caller.user_id];
  else
    v_apart := array(
      select o.user_id
      from unnest(v_sum.overtaken) as o
      where o.user_id is not null
        and (p_pool is null or o.pool = p_pool)
      union
      select a.user_id
      from fairlane_core.user_queues as a
        join fairlane_core.user_queues as g on g.user_id = a.user_id and g.pool <> a.pool
      where p_pool is null
        and a.pool <> 'gpu'
    );
  end if;
  v_none_apart := v_apart = '{}';

  -- Whether a queue is open, and running and the limit of an open one, are updated together with its owner's slots.
  select
    coalesce(sum(
      least(l.ready_cloud_orchestration, l.orchestration_room) + least(l.ready_cloud, l.task_limit - l.running)
    ) filter (where l.is_open and (v_none_paused or l.pool <> all (v_paused))), 0),
    count(*) filter (where l.is_open and (v_none_paused or l.pool <> all (v_paused))),
    count(*) filter (where l.ready_cloud + l.ready_cloud_orchestration + l.active_cloud > 0),
    coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration) filter (where (v_none_paused or l.pool <> all (v_paused))), 0),
    coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration) filter (where l.closed_by = 'no_credits' and (v_none_paused or l.pool <> all (v_paused))), 0),
    coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration) filter (where l.closed_by = 'cloud_disabled' and (v_none_paused or l.pool <> all (v_paused))), 0),
    0,
    coalesce(sum(l.active_cloud), 0),
    coalesce(sum(l.active_cloud_orchestration), 0),
    coalesce(sum(l.active_local + l.active_local_orchestration), 0)
  into
    v_sum.claimable, v_sum.owners, v_sum.users, v_ready, v_sum.no_credits, v_sum.cloud_disabled, v_sum.local_disabled,
    v_sum.active, v_sum.active_orchestration, v_sum.active_elsewhere
  from fairlane_core.user_queues as l
  where not v_own
    and (p_pool is null or l.pool = p_pool)
    and (v_none_apart or l.user_id not in (select a.user_id from unnest(v_apart) as a (user_id)));
  v_sum.pool_paused := 0;
  if not v_none_paused then
    select coalesce(sum(l.ready), 0)
    into v_sum.pool_paused
    from (
      select
        k.user_id, k.pool,
        k.ready_cloud + k.ready_cloud_orchestration
          + case when v_own then k.ready_local + k.ready_local_orchestration else 0 end as ready
      from fairlane_core.user_queues as k
      union all
      select o.user_id, o.pool, o.delta
      from unnest(v_sum.overtaken) as o
      where o.readiness = 'ready'
        and (o.is_cloud or v_own)
    ) as l
    where l.pool = any (v_paused)
      and (p_pool is null or l.pool = p_pool)
      and (not v_own or l.user_id = p_caller.user_id);
  end if;
  v_sum.user_at_limit := v_ready - v_sum.no_credits - v_sum.cloud_disabled - v_sum.claimable;
  if v_none_apart then
    return v_sum;
  end if;

  v_sum.apart := array(select u from fairlane_core.user_load(p_caller, p_pool, v_apart, v_sum.overtaken) as u);
  select
    v_sum.claimable + coalesce(sum(u.claimable), 0),
    v_sum.owners + count(*) filter (where u.claimable > 0),
    v_sum.users + count(*) filter (where u.ready > 0 or u.active > 0),
    v_sum.user_at_limit + coalesce(sum(u.ready - u.claimable) filter (where coalesce(u.reason, 'user_at_limit') = 'user_at_limit'), 0),
    v_sum.no_credits + coalesce(sum(u.ready) filter (where u.reason = 'no_credits'), 0),
    v_sum.cloud_disabled + coalesce(sum(u.ready) filter (where u.reason = 'cloud_disabled'), 0),
    coalesce(sum(u.ready) filter (where u.reason = 'local_disabled'), 0),
    v_sum.active + coalesce(sum(u.active), 0),
    v_sum.active_orchestration + coalesce(sum(u.active_orchestration), 0),
    v_sum.active_elsewhere + coalesce(sum(u.active_elsewhere), 0)
  into
    v_sum.claimable, v_sum.owners, v_sum.users, v_sum.user_at_limit, v_sum.no_credits, v_sum.cloud_disabled,
    v_sum.local_disabled, v_sum.active, v_sum.active_orchestration, v_sum.active_elsewhere
  from unnest(v_sum.apart) as u;

  -- For a signed-in user: cloud and local tasks may wait for different reasons.
  if p_caller.kind = 'user' then
    select
      sum(l.ready) filter (where l.reason = 'no_credits'),
      sum(l.ready) filter (where l.reason = 'cloud_disabled'),
      sum(l.ready) filter (where l.reason = 'local_disabled'),
      sum(l.ready) filter (where coalesce(l.reason, 'user_at_limit') = 'user_at_limit')
    into v_sum.no_credits, v_sum.cloud_disabled, v_sum.local_disabled, v_sum.user_at_limit
    from (
      select k.ready, fairlane_core.reason_of(s, p_caller, k.is_cloud) as reason
      from (
        select true as is_cloud, c.ready_cloud + c.ready_cloud_orchestration as ready
        from fairlane_core.user_queues as c
        where c.user_id = p_caller.user_id and (p_pool is null or c.pool = p_pool) and c.pool <> all (v_paused)
        union all
        select false, c.ready_local + c.ready_local_orchestration
        from fairlane_core.user_queues as c
        where c.user_id = p_caller.user_id and (p_pool is null or c.pool = p_pool) and c.pool <> all (v_paused)
        union all
        select o.is_cloud, o.delta
        from unnest(v_sum.overtaken) as o
        where o.readiness = 'ready' and o.user_id = p_caller.user_id and (p_pool is null or o.pool = p_pool)
          and o.pool <> all (v_paused)
      ) as k
        join fairlane_core.user_slots as s on s.user_id = p_caller.user_id
    ) as l;
    v_sum.no_credits := coalesce(v_sum.no_credits, 0);
    v_sum.cloud_disabled := coalesce(v_sum.cloud_disabled, 0);
    v_sum.local_disabled := coalesce(v_sum.local_disabled, 0);
    v_sum.user_at_limit := greatest(coalesce(v_sum.user_at_limit, 0) - v_sum.claimable, 0);
  end if;
  return v_sum;
end;
$$;

-- What each of these users has in the queue now, in one pool or all (null), as a claim would see it: the derived
-- counters, corrected for what only time has changed since (p_overtaken). Returns why the user may run nothing now
-- (null = may), tasks ready, tasks a claim could hand out one after another (the limit counted), tasks active. Cloud
-- and local tasks are judged as in fairlane_core.reason_of; local ones are only those of a token or user.
create function fairlane_core.user_load(p_caller fairlane_core.caller, p_pool text, p_user_ids uuid[], p_overtaken fairlane_core.counter_delta[])
returns setof fairlane_core.user_load_row
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_own boolean := p_caller.user_id is not null;
  v_paused text[] := (select c.paused_pools from fairlane_core.settings as c);
begin
  return query
  with load as (
    select
      l.user_id,
      coalesce(sum(l.ready_cloud) filter (where l.pool <> all (v_paused)), 0) as ready_cloud,
      coalesce(sum(l.ready_cloud_orchestration) filter (where l.pool <> all (v_paused)), 0) as ready_cloud_orchestration,
      coalesce(sum(case when v_own then l.ready_local else 0 end) filter (where l.pool <> all (v_paused)), 0) as ready_local,
      coalesce(sum(case when v_own then l.ready_local_orchestration else 0 end) filter (where l.pool <> all (v_paused)), 0) as ready_local_orchestration,
      sum(l.active_cloud + case when v_own then l.active_local else 0 end) as active,
      sum(l.active_cloud_orchestration + case when v_own then l.active_local_orchestration else 0 end) as active_orchestration,
      sum(case when v_own then 0 else l.active_local + l.active_local_orchestration end) as active_elsewhere,
      min(l.last_served_at) as last_served_at
    from (
      select
        c.user_id, c.pool, c.ready_cloud, c.ready_local, c.ready_cloud_orchestration, c.ready_local_orchestration,
        c.active_cloud, c.active_local, c.active_cloud_orchestration, c.active_local_orchestration, c.last_served_at
      from fairlane_core.user_queues as c
      where c.user_id = any (p_user_ids)
      union all
      select
        o.user_id, o.pool,
        case when o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when o.is_cloud and not o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and not o.takes_slot then o.delta else 0 end,
        0, 0, 0, 0, v_now
      from unnest(p_overtaken) as o
      where o.readiness = 'ready'
        and o.user_id = any (p_user_ids)
      union all
      select o.user_id, o.pool, 0, 0, 0, 0, o.delta, 0, 0, 0, v_now
      from unnest(p_overtaken) as o
      where o.readiness = 'active'
        and o.user_id = any (p_user_ids)
    ) as l
    where p_pool is null
      or l.pool = p_pool
    group by l.user_id
  ),
  judged as (
    select
      l.*, s.running, s.task_limit, greatest(s.orchestration_limit - s.orchestrating, 0) as orchestration_room,
      fairlane_core.reason_of(s, p_caller, true) as cloud_reason, s.local_reason
    from load as l
      join fairlane_core.user_slots as s on s.user_id = l.user_id
  )
  select
    j.user_id,
    case
      when not v_own or j.ready_cloud + j.ready_cloud_orchestration > 0
        and (j.cloud_reason is null or j.local_reason is not null or j.ready_local + j.ready_local_orchestration = 0)
        then j.cloud_reason
      else j.local_reason
    end,
    (j.ready_cloud + j.ready_cloud_orchestration + j.ready_local + j.ready_local_orchestration)::integer,
    (
      least(
        case when j.cloud_reason is null then j.ready_cloud_orchestration else 0 end
          + case when j.local_reason is null then j.ready_local_orchestration else 0 end,
        j.orchestration_room
      )
      + greatest(
        least(
          case when j.cloud_reason is null then j.ready_cloud else 0 end
            + case when j.local_reason is null then j.ready_local else 0 end,
          j.task_limit - j.running
        ), 0
      )
    )::integer,
    j.active::integer,
    j.active_orchestration::integer,
    j.active_elsewhere::integer,
    j.running,
    j.task_limit,
    j.last_served_at
  from judged as j;
end;
$$;

-- The owner's half of the one rule for a caller: why the owner's cloud or local tasks may not run now; null = they may.
-- A token acts for a machine of its user's, which runs either kind of task and needs no credits. For everybody else,
-- including the signed-in owner, a cloud task is judged as for the fleet.
create function fairlane_core.reason_of(p_slots fairlane_core.user_slots, p_caller fairlane_core.caller, p_is_cloud boolean)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case when p_is_cloud and p_caller.kind <> 'token' then p_slots.cloud_reason else p_slots.local_reason end;
end;
$$;

-- What keeps machines busy besides the tasks that take a slot: orchestrators that have not enqueued everything yet (the
-- others only wait for their children), and attempts that others ended under machines that have not let go yet. Without
-- these an autoscaler would stop busy machines.
create function fairlane_core.busy_beside(p_caller fairlane_core.caller, p_pool text, p_load fairlane_core.load_summary)
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
  -- Skipped if the sums contain none.
  if p_load.active_orchestration > 0 then
    with kind as (
      -- The owner's orchestration slots say how many still need a worker, over all pools and all kinds of caller.
      select
        l.user_id,
        sum(case when p_pool is null or l.pool = p_pool then l.active_cloud_orchestration + case when v_own then l.active_local_orchestration else 0 end else 0 end) as here,
        sum(l.active_cloud_orchestration + l.active_local_orchestration) as everywhere,
        min(s.orchestrating) as orchestrating
      from fairlane_core.user_queues as l
        join fairlane_core.user_slots as s on s.user_id = l.user_id
      where l.active_cloud_orchestration + l.active_local_orchestration > 0
        and s.orchestrating > 0
        and (not v_own or l.user_id = p_caller.user_id)
      group by l.user_id
    ),
    working as (
      select
        k.user_id, k.here, k.everywhere,
        k.orchestrating - (
          select count(*) from fairlane_core.held_slots as h where h.user_id = k.user_id and h.let_go_at is null and not h.takes_slot
        ) as orchestrating
      from kind as k
      where k.here > 0
    ),
    -- Read only for an owner who has some here, some elsewhere, and only some that wait.
    waiting as materialized (
      select t.user_id
      from (select h.orchestrator_id from fairlane_core.handovers as h limit v_most) as h
        join fairlane.tasks as t on t.id = h.orchestrator_id
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
  from fairlane_core.held_slots as h
  where h.let_go_at is null
    and (
      p_pool is null or h.pool = p_pool
      or (v_own and (
        select fairlane_core.is_served_by(p_caller, p_pool, t.pool, t.runs_on_own_gpu, t.run_type) from fairlane.tasks as t where t.id = h.task_id
      ))
    )
    and (v_own or h.token_id is null)
    and (not v_own or h.user_id = p_caller.user_id);
  return greatest(v_orchestrating, 0) + v_held;
end;
$$;
