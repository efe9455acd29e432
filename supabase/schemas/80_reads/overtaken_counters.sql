-- How far the counters are behind because time has passed or a type has changed; and what they do not distinguish: the
-- tasks of other pools that users' own GPUs also run.

-- How far the derived counters are behind only because time has passed: tasks that are due now, or have grown stale; of
-- one owner, or of all (null). Claims and the sweep correct them; readers add this.
-- Of more than a thousand due tasks it takes some of each owner's. If more than 5,000 have grown stale, their owners
-- cannot be determined in time: then only tasks of each queue that are found to be fresh count as ready, because a
-- count may promise less than there is, but never more.
create function fairlane_core.due_readiness_changes(p_user_id uuid)
returns setof fairlane_core.counter_delta
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- callers cannot set it: no statistics may make a sort of all due tasks look as cheap
as $$
declare
  v_many constant integer := 1000;
  v_most_stale constant integer := 5000;
  v_most_queues constant integer := 1000;
  v_too_many_stale boolean;
  v_per_line integer;
  v_now timestamptz := fairlane_core.now();
  v_stale_before timestamptz := fairlane_core.stale_before();
begin
  if p_user_id is null then
    -- As many as are almost always due can be read in the order of their time.
    perform
    from fairlane.tasks as t
    where t.readiness = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    offset v_many
    limit 1;
    if found then
      select greatest(v_many / greatest(count(*), 1), 10)
      into v_per_line
      from fairlane_core.blocked_tasks as b
      where b.reason = 'not_yet'
        and b.task_count > 0;
    end if;
  else
    v_per_line := v_many;
  end if;

  perform
  from fairlane.tasks as t
  where t.readiness = 'ready'
    and t.attempts = 0
    and t.claimed_at is null
    and greatest(t.created_at, t.available_at, t.released_at) < v_stale_before
  order by greatest(t.created_at, t.available_at, t.released_at)
  offset v_most_stale
  limit 1;
  v_too_many_stale := found;

  return query
  with due as (
    (
      -- In index order of the tasks that wait for a time: no statistics may make reading all live tasks look as cheap.
      select t as task
      from fairlane.tasks as t
      where v_per_line is null
        and t.readiness = 'not_yet'
        and t.available_at <= v_now
      order by t.available_at
      limit v_many
    )
    union all
    select d.task
    from fairlane_core.blocked_tasks as b
      cross join lateral (
        select q as task
        from fairlane.tasks as q
        where q.user_id = b.user_id
          and q.pool = b.pool
          and q.run_type = case when b.is_cloud then 'cloud' else 'local' end
          and q.readiness = 'not_yet'
          and q.available_at <= v_now
        order by q.priority desc, q.available_at
        limit v_per_line
      ) as d
    where v_per_line is not null
      and b.reason = 'not_yet'
      and b.task_count > 0
      and (p_user_id is null or b.user_id = p_user_id)
  ),
  overtaken as (
    select
      (d.task).user_id, (d.task).pool, (d.task).run_type, (d.task).takes_slot, (d.task).readiness as stood,
      -- The rule is evaluated where more than the time could hold the task back.
      case
        when (d.task).dependant_on is null and (
          (d.task).attempts > 0 or greatest((d.task).created_at, (d.task).available_at, (d.task).released_at) >= v_stale_before
        ) then 'ready'
        else fairlane_core.task_readiness(d.task)
      end as stands
    from due as d
    union all
    select t.user_id, t.pool, t.run_type, t.takes_slot, t.readiness, 'stale'
    from (
      -- Limited before anything else is checked: no owner may scan everything that others let grow stale.
      select q.user_id, q.pool, q.run_type, q.takes_slot, q.readiness, q.params, greatest(q.created_at, q.available_at, q.released_at) as since
      from fairlane.tasks as q
      where not v_too_many_stale
        and q.readiness = 'ready'
        and q.attempts = 0
        and q.claimed_at is null
        and greatest(q.created_at, q.available_at, q.released_at) < v_stale_before
      order by greatest(q.created_at, q.available_at, q.released_at)
      limit v_most_stale
    ) as t
    where (p_user_id is null or t.user_id = p_user_id)
      -- The rule is evaluated where a parent could keep the task fresh.
      and (fairlane_core.parent_task_id(t.params) is null or fairlane_core.is_stale(t.since, false, t.params))
  ),
  -- The queues that could promise something: closed ones cannot, and of the fleet's only the first in turn are read.
  queue as materialized (
    select
      l.user_id, l.pool, l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
      row_number() over () <= v_most_queues as is_looked_into,
      greatest(v_most_stale / least(greatest(count(*) over (), 3), v_most_queues), 10)::integer as most
    from (
      select c.*
      from unnest(fairlane_core.pools()) as p (pool)
        cross join lateral (
          select k.* from fairlane_core.user_queues as k where k.pool = p.pool and k.is_open order by k.turn_load, k.last_served_at
        ) as c
      where v_too_many_stale
        and p_user_id is null
      union all
      select o.* from fairlane_core.user_queues as o where v_too_many_stale and o.user_id = p_user_id
    ) as l
  ),
  unknown as materialized (
    select
      l.user_id, l.pool, r.is_cloud, r.takes_slot,
      r.task_count - case when l.is_looked_into then (
        select count(*)
        from fairlane_core.fresh_in_queue(
          l.user_id, l.pool, case when r.is_cloud then 'cloud' else 'local' end, r.takes_slot, l.most, least(l.most, r.task_count)
        )
      ) else 0 end as task_count
    from queue as l
      cross join lateral (
        values
          (true, true, l.ready_cloud), (true, false, l.ready_cloud_orchestration),
          (false, true, l.ready_local), (false, false, l.ready_local_orchestration)
      ) as r (is_cloud, takes_slot, task_count)
    where r.task_count > 0
      and (r.is_cloud or p_user_id is not null)
  )
  select o.user_id, o.pool, o.run_type = 'cloud', o.takes_slot, c.readiness, sum(c.delta)::integer
  from overtaken as o
    cross join lateral (values (o.stood, -1), (o.stands, 1)) as c (readiness, delta)
  group by o.user_id, o.pool, o.run_type, o.takes_slot, c.readiness
  union all
  select u.user_id, u.pool, u.is_cloud, u.takes_slot, c.readiness, (c.sign * u.task_count)::integer
  from unknown as u
    cross join (values ('ready', -1), ('stale', 1)) as c (readiness, sign)
  where u.task_count > 0;
end;
$$;

-- How far the derived counters are ahead because types have changed and not all of their tasks are derived again
-- (fairlane_core.deferred_work): ready tasks that are no longer ready, or belong to another pool; of one owner, or of
-- all (null). Bounded: if an owner has more of them than are read, only those that were read count as ready for now,
-- because a count may promise less than there is, but never more.
create function fairlane_core.overtaken_by_types(p_user_id uuid)
returns setof fairlane_core.counter_delta
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 1000;
  v_types text[] := array(select distinct w.task_type from fairlane_core.deferred_work as w where w.task_type is not null);
  v_owners uuid[] := array(
    select distinct l.user_id
    from fairlane_core.user_queues as l
    where l.ready_cloud + l.ready_cloud_orchestration + l.ready_local + l.ready_local_orchestration > 0
      and (p_user_id is null or l.user_id = p_user_id)
  );
  v_per_owner integer := greatest(v_most / greatest(cardinality(v_owners) * cardinality(v_types), 1), 10);
begin
  return query
  with found as materialized (
    select
      o.user_id, y.name as task_type, b.pool, b.run_type, b.takes_slot,
      fairlane_core.is_behind_its_type(y.name, b.pool, b.takes_slot, b.runs_on_own_gpu, b.readiness) as is_behind, count(*)::integer as task_count
    from unnest(v_owners) as o (user_id)
      cross join unnest(v_types) as y (name)
      cross join lateral (
        select t.pool, t.run_type, t.takes_slot, t.runs_on_own_gpu, t.readiness
        from fairlane.tasks as t
        where t.user_id = o.user_id
          and left(t.task_type, 200) = left(y.name, 200)
          and t.task_type = y.name
          and t.readiness is not null
        limit v_per_owner
      ) as b
    where b.readiness = 'ready'
    group by 1, 2, 3, 4, 5, 6
  ),
  -- There may be more.
  unknown as materialized (
    select o.user_id
    from unnest(v_owners) as o (user_id)
      cross join unnest(v_types) as y (name)
    where (
      select count(*)
      from (
        select
        from fairlane.tasks as t
        where t.user_id = o.user_id
          and left(t.task_type, 200) = left(y.name, 200)
          and t.task_type = y.name
          and t.readiness is not null
        limit v_per_owner
      ) as n
    ) = v_per_owner
    group by o.user_id
  ),
  changed as (
    select f.user_id, f.pool, f.run_type = 'cloud' as is_cloud, f.takes_slot, 'ready' as readiness, -f.task_count as delta
    from found as f
    where f.is_behind
      and not exists (select from unknown as u where u.user_id = f.user_id)
    union all
    select
      f.user_id, coalesce(y.run_type, 'gpu'), f.run_type = 'cloud', fairlane_core.takes_slot(f.task_type, y.category),
      case when y.is_active is false then 'type_inactive' else 'ready' end, f.task_count
    from found as f
      left join fairlane.task_types as y on y.name = f.task_type
    where f.is_behind
      and not exists (select from unknown as u where u.user_id = f.user_id)
    union all
    -- Owners that were not read completely: what was read is ready where its type belongs, all else is not.
    select
      f.user_id,
      case c.readiness when 'ready' then coalesce(y.run_type, 'gpu') else f.pool end,
      f.run_type = 'cloud',
      case c.readiness when 'ready' then fairlane_core.takes_slot(f.task_type, y.category) else f.takes_slot end,
      c.readiness, c.sign * f.task_count
    from found as f
      left join fairlane.task_types as y on y.name = f.task_type
      cross join (values ('ready', 1), ('type_inactive', -1)) as c (readiness, sign)
    where f.user_id in (select u.user_id from unknown as u)
      and y.is_active is not false
    union all
    select l.user_id, l.pool, r.is_cloud, r.takes_slot, c.readiness, c.sign * r.task_count
    from fairlane_core.user_queues as l
      cross join lateral (
        values
          (true, true, l.ready_cloud), (true, false, l.ready_cloud_orchestration),
          (false, true, l.ready_local), (false, false, l.ready_local_orchestration)
      ) as r (is_cloud, takes_slot, task_count)
      cross join (values ('ready', -1), ('type_inactive', 1)) as c (readiness, sign)
    where l.user_id in (select u.user_id from unknown as u)
      and r.task_count > 0
  )
  select c.user_id, c.pool, c.is_cloud, c.takes_slot, c.readiness, sum(c.delta)::integer
  from changed as c
  group by 1, 2, 3, 4, 5;
end;
$$;

-- What counts by this caller for gpu add to the counters of that pool, which cover its own tasks, those that the fleet
-- runs: ready and active tasks of other pools (fairlane_core.is_served_by), counted one by one, up to 1000 of each pool
-- and run type; and by how much stored values are outdated by time or a change of type. fairlane_core.own_gpu_waiting
-- has the rest.
create function fairlane_core.own_gpu_load(p_caller fairlane_core.caller, p_pool text)
returns setof fairlane_core.counter_delta
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- as in fairlane_core.own_gpu_queue
as $$
declare
  v_most constant integer := 1000;
  v_old_before timestamptz;
  v_is_behind boolean;
  v_paused text[];
begin
  -- Most users have none.
  if p_pool is distinct from 'gpu' or p_caller.user_id is null or (
    select true
    from fairlane.tasks as t
    where t.user_id = p_caller.user_id
      and t.runs_on_own_gpu
      and t.readiness is not null
    order by t.pool, t.readiness
    limit 1
  ) is null then
    return;
  end if;
  v_old_before := fairlane_core.stale_before();
  v_is_behind := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
  v_paused := (select s.paused_pools from fairlane_core.settings as s);

  return query
  with found as (
    select
      t.run_type,
      case
        when v_is_behind and fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness) then
          case when (select not y.is_active from fairlane.task_types as y where y.name = t.task_type) then 'type_inactive' end
        when l.is_paused then 'pool_paused'
        when t.attempts = 0 and greatest(t.created_at, t.available_at, t.released_at) < v_old_before
          and fairlane_core.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.claimed_at is not null, t.params)
          then 'stale'
        else 'ready'
      end as readiness,
      1 as delta
    from unnest(array[false, true]) as l (is_paused)
      cross join lateral fairlane_core.own_gpu_queue(p_caller, p_pool, v_most, l.is_paused) as t
    union all
    select d.run_type, c.readiness, c.delta
    from fairlane_core.own_gpu_due(p_caller, p_pool, v_most) as d
      cross join lateral fairlane_core.task_readiness(d) as s (readiness)
      cross join lateral (
        values
          ('not_yet', -1),
          (case when s.readiness in ('ready', 'stale') and d.pool = any (v_paused) then 'pool_paused' else s.readiness end, 1)
      ) as c (readiness, delta)
    union all
    select r.run_type, 'active', 1
    from unnest(fairlane_core.pools()) as p (pool)
      cross join lateral (
        select t.run_type
        from fairlane.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.readiness = 'active'
          and t.runs_on_own_gpu
          and (p_caller.kind = 'token' or t.run_type = 'local')
        order by t.run_type
        limit v_most
      ) as r
  )
  select p_caller.user_id, p_pool, f.run_type is distinct from 'local', true, f.readiness, sum(f.delta)::integer
  from found as f
  where f.readiness is not null
  group by 3, 5;
end;
$$;

-- Queued tasks of other pools that counts by this caller for gpu add to that pool (fairlane_core.is_served_by), by
-- their stored reason, up to 1000 of each pool and reason.
create function fairlane_core.own_gpu_waiting(p_caller fairlane_core.caller, p_pool text)
returns setof fairlane_core.counter_delta
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- as in fairlane_core.own_gpu_queue
as $$
declare
  v_most constant integer := 1000;
  v_paused text[] := (select s.paused_pools from fairlane_core.settings as s);
begin
  if p_pool is distinct from 'gpu' or p_caller.user_id is null then
    return;
  end if;

  return query
  select p_caller.user_id, p_pool, w.is_cloud, true, w.readiness, sum(w.task_count)::integer
  from unnest(fairlane_core.pools()) as p (pool)
    cross join unnest(array[
      'no_run_type', 'type_inactive', 'not_yet', 'dependency_pending', 'dependency_lost', 'stale'
    ]) as s (readiness)
    cross join lateral (
      select
        r.is_cloud, case when s.readiness = 'stale' and p.pool = any (v_paused) then 'pool_paused' else s.readiness end as readiness,
        count(*) as task_count
      from (
        select t.run_type is distinct from 'local' as is_cloud
        from fairlane.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.readiness = s.readiness
          and t.runs_on_own_gpu
          and (p_caller.kind = 'token' or t.run_type = 'local')
        order by t.run_type
        limit v_most
      ) as r
      group by 1
    ) as w
  group by 3, 5;
end;
$$;
