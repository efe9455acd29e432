-- Finds derived state that differs from what the tasks add up to, and repairs it.

-- Repairs drift in one transaction, for the operator; the job repairs a few owners at a time (fairlane_core.run_batch).
-- Counts again for up to p_limit owners, and the totals, where they have drifted, and returns how many it repaired; 0
-- is expected. Their claims wait until it is committed. Safe to repeat and to run in parallel.
create function fairlane_core.reconcile(p_limit integer default 100)
returns integer
language plpgsql
volatile
security definer -- writes derived state for the operator
set search_path = ''
as $$
begin
  return fairlane_core.reconcile_owners(array(
    select distinct d.user_id from fairlane_core.drift() as d order by d.user_id nulls first limit p_limit
  ));
end;
$$;

-- Derived state that differs from user rows and tasks: owner (null for fairlane_core.status_totals), pool (null for the
-- owner's slots), what is stored, what was counted. No rows = no drift. A stable function sees one snapshot, so work in
-- progress is never mistaken for drift.
create function fairlane_core.drift()
returns table (user_id uuid, pool text, stored jsonb, counted jsonb)
language plpgsql
stable
security definer -- recount and the user queues are internal
set search_path = ''
set plan_cache_mode = force_custom_plan -- reads everything, whoever calls
set enable_seqscan = on
as $$
#variable_conflict use_column
begin
  -- What runs, and what the user row allows.
  return query
  select u.id, null::text, to_jsonb(s), to_jsonb(w)
  from fairlane.owners as u
    left join fairlane_core.recount_slots(null) as r on r.user_id = u.id
    left join fairlane_core.user_slots as s on s.user_id = u.id
    cross join lateral fairlane_core.slots_of(
      u, coalesce(r.running, 0), coalesce(r.orchestrating, 0), coalesce(r.remembered, 0)
    ) as w
  where s is distinct from w;

  return query
  with counted as (
    select
      c.user_id, c.pool,
      -- Copies of the slots count only where they order the queue.
      to_jsonb(c) - array['last_served_at', 'user_id', 'pool']
        - case when c.is_open then array[]::text[] else array['running', 'turn_load', 'orchestration_room'] end as row_counts
    from fairlane_core.recount(null) as c
    where c.ready_cloud + c.ready_cloud_orchestration + c.ready_local + c.ready_local_orchestration
      + c.active_cloud + c.active_cloud_orchestration + c.active_local + c.active_local_orchestration > 0
  ),
  stored as (
    select
      l.user_id, l.pool,
      to_jsonb(l) - array['last_served_at', 'user_id', 'pool']
        - case when l.is_open then array[]::text[] else array['running', 'turn_load', 'orchestration_room'] end as row_counts
    from fairlane_core.user_queues as l
    where l.is_open or l.ready_cloud <> 0 or l.ready_cloud_orchestration <> 0 or l.ready_local <> 0
      or l.ready_local_orchestration <> 0 or l.active_cloud <> 0 or l.active_cloud_orchestration <> 0
      or l.active_local <> 0 or l.active_local_orchestration <> 0
  )
  select coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool), s.row_counts, c.row_counts
  from counted as c
    full join stored as s on s.user_id = c.user_id and s.pool = c.pool
  where c.row_counts is distinct from s.row_counts;

  return query
  select
    coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(s.task_count, 0)),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(c.task_count, 0))
  from (
    select
      coalesce(t.user_id, '00000000-0000-0000-0000-000000000000') as user_id, t.pool, t.readiness as reason,
      t.run_type is distinct from 'local' as is_cloud, count(*)::integer as task_count
    from fairlane.tasks as t
    where t.readiness not in ('ready', 'active')
    group by 1, 2, 3, 4
  ) as c
    full join fairlane_core.blocked_tasks as s
      on s.user_id = c.user_id and s.pool = c.pool and s.reason = c.reason and s.is_cloud = c.is_cloud
  where coalesce(c.task_count, 0) <> coalesce(s.task_count, 0);

  -- Families under way; the report of an orchestrator cannot be derived.
  return query
  select
    coalesce(c.user_id, s.user_id), null::text,
    to_jsonb(s) - 'changed_at' - 'enqueued_attempt', to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
  from fairlane_core.recount_families(array(
    select o.id from fairlane.tasks as o where o.readiness is not null and exists (select from fairlane_core.subtasks as x where x.orchestrator_id = o.id)
    union
    select k.orchestrator_id from fairlane_core.orchestrations as k where k.ended_as is null
  )) as c
    full join (
      select k.*
      from fairlane_core.orchestrations as k
      where k.ended_as is null
        and k.open_count + k.complete_count + k.failed_count + k.cancelled_count > 0
    ) as s on s.orchestrator_id = c.orchestrator_id
  where to_jsonb(s) - 'changed_at' - 'enqueued_attempt' is distinct from to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
    and (c.orchestrator_id is null or s.orchestrator_id is not null
      or c.open_count + c.complete_count + c.failed_count + c.cancelled_count > 0);

  -- Live children that are missing from fairlane_core.subtasks.
  return query
  select
    t.user_id, t.pool,
    (select to_jsonb(s) from fairlane_core.subtasks as s where s.task_id = t.id),
    jsonb_build_object('task_id', t.id, 'orchestrator_id', fairlane_core.parent_task_id(t.params))
  from fairlane.tasks as t
  where t.readiness is not null
    and t.user_id is not null
    and t.params ? fairlane_core.parent_key()
    and fairlane_core.parent_task_id(t.params) <> t.id
    and not exists (
      select from fairlane_core.subtasks as s where s.task_id = t.id and s.orchestrator_id = fairlane_core.parent_task_id(t.params)
    );

  -- Tasks that have ended, of all owners: the totals advanced from the history, compared with the tasks themselves.
  return query
  select null::uuid, null::text, jsonb_build_object(e.status, e.stored), jsonb_build_object(e.status, e.counted)
  from (
    select s.status, fairlane_core.ended_total(s.status) as stored, coalesce(c.counted, 0) as counted
    from unnest(array['Complete', 'Failed', 'Cancelled']) as s (status)
      left join (select t.status, count(*) as counted from fairlane.tasks as t group by t.status) as c on c.status = s.status
  ) as e
  where e.stored <> e.counted;
end;
$$;

-- Counts again for these owners, whose counters have drifted (null: the totals), one after the other under the owner's
-- lock: under it the tasks can be counted without anything changing. An owner that is being served is left for the next
-- run: nobody waits for one owner while holding others. Returns how many it repaired; they stay locked until the
-- transaction ends, so their claims wait.
create function fairlane_core.reconcile_owners(p_owners uuid[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
set plan_cache_mode = force_custom_plan -- one for any owner would read the tasks of all
set enable_seqscan = on -- the totals are those of every task
as $$
declare
  v_user_id uuid;
  v_turns jsonb;
  v_repaired integer := 0;
begin
  foreach v_user_id in array p_owners loop
    if v_user_id is null then
      perform fairlane_core.recount_totals();
      v_repaired := v_repaired + 1;
      continue;
    end if;

    -- The lock; a missing row is created first, closed, so that there is something to lock.
    insert into fairlane_core.user_slots (user_id, task_limit, has_credits, cloud_on, local_on)
    select u.id, 0, false, false, false from fairlane.owners as u where u.id = v_user_id
    on conflict do nothing;
    perform from fairlane_core.user_slots as s where s.user_id = v_user_id for no key update skip locked;
    continue when not found and exists (select from fairlane_core.user_slots as s where s.user_id = v_user_id);

    update fairlane_core.user_slots as s
    set running = w.running, task_limit = w.task_limit, has_credits = w.has_credits, cloud_on = w.cloud_on,
      local_on = w.local_on, settings_malformed = w.settings_malformed, cloud_reason = w.cloud_reason,
      local_reason = w.local_reason, orchestrating = w.orchestrating, orchestration_limit = w.orchestration_limit,
      remembered = w.remembered
    from fairlane.owners as u
      left join fairlane_core.recount_slots(v_user_id) as r on r.user_id = u.id
      cross join lateral fairlane_core.slots_of(
        u, coalesce(r.running, 0), coalesce(r.orchestrating, 0), coalesce(r.remembered, 0)
      ) as w
    where u.id = v_user_id
      and s.user_id = v_user_id;

    -- Users keep their place in turn.
    select coalesce(jsonb_object_agg(l.pool, l.last_served_at), '{}')
    into v_turns
    from fairlane_core.user_queues as l
    where l.user_id = v_user_id;
    delete from fairlane_core.user_queues as l where l.user_id = v_user_id;
    insert into fairlane_core.user_queues
    select (r.c).*
    from (
      select jsonb_populate_record(c, jsonb_build_object('last_served_at', coalesce(v_turns ->> c.pool, fairlane_core.now()::text))) as c
      from fairlane_core.recount(v_user_id) as c
    ) as r;

    delete from fairlane_core.blocked_tasks as b where b.user_id = v_user_id;
    insert into fairlane_core.blocked_tasks (user_id, pool, reason, is_cloud, task_count)
    select v_user_id, t.pool, t.readiness, t.run_type is distinct from 'local', count(*)
    from fairlane.tasks as t
    -- Not "is not distinct from", which no index supports: every owner would read the waiting tasks of all.
    where (t.user_id = v_user_id or (v_user_id = '00000000-0000-0000-0000-000000000000' and t.user_id is null))
      and t.readiness not in ('ready', 'active')
    group by t.pool, t.readiness, t.run_type is distinct from 'local';

    perform fairlane_core.reconcile_families(v_user_id);
    v_repaired := v_repaired + 1;
  end loop;
  return v_repaired;
end;
$$;
