-- What follows from inserted and deleted tasks: dependencies, families, counters, history.

-- After an insert statement: records dependencies, updates counters, begins the history. Per statement, so that a bulk
-- insert updates each counter once.
create function fairlane_core.tasks_after_insert()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may insert
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_changes fairlane_core.counter_delta[];
  v_now timestamptz := fairlane_core.now();
  v_actor text := fairlane_core.actor();
  v_unsettled uuid[];
  v_awaited uuid[];
  v_dependants uuid[];
  v_children fairlane_core.subtasks[];
  v_orchestrators uuid[];
  v_has_children boolean;
  v_has_unsettled boolean;
begin
  -- One query decides what else to check: most tasks wait for nothing and are part of nothing.
  select
    array_agg(n.id) filter (where n.dependant_on is not null),
    -- An orchestrator may arrive after its children.
    array_agg(n.id) filter (where not n.takes_slot or n.task_type like '%orchestrat%'),
    bool_or(n.params ? fairlane_core.parent_key()),
    bool_or(n.readiness in ('dependency_lost', 'dependency_pending'))
  into v_dependants, v_orchestrators, v_has_children, v_has_unsettled
  from new_rows as n;

  if v_dependants is not null then
    insert into fairlane_core.task_dependencies (task_id, depends_on)
    select n.id, n.dependant_on
    from new_rows as n
    where n.dependant_on is not null
    on conflict do nothing;
  end if;
  if v_has_children then
    select array_agg(c.child)
    into v_children
    from (
      select fairlane_core.subtask_of(n.id, n.user_id, n.task_type, n.params) as child
      from new_rows as n
      where n.params ? fairlane_core.parent_key()
    ) as c
    where (c.child).task_id is not null;
  end if;

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.readiness, g.delta)::fairlane_core.counter_delta)
  into v_changes
  from (
    select n.user_id, n.pool, n.run_type is distinct from 'local' as is_cloud, n.takes_slot, n.readiness, count(*)::integer as delta
    from new_rows as n
    where n.readiness is not null
    group by 1, 2, 3, 4, 5
  ) as g;

  -- All locks that an insert waits for. PostgREST has no status of its own for a lock timeout.
  begin
    -- Other tasks are locked before any owner, as everywhere.
    if v_children is not null then
      perform fairlane_core.lock_families(v_children);
    end if;
    if v_changes is not null then
      perform fairlane_core.apply_counter_deltas(v_changes, v_now);
    end if;
  exception when lock_not_available then
    perform fairlane_core.refuse_while_locked();
  end;

  insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select n.id, n.user_id, v_now, null, n.status, n.worker_id, n.attempts, v_actor, 'created'
  from new_rows as n;

  if v_dependants is not null then
    perform fairlane_core.refuse_cycles(v_dependants);
  end if;

  -- A dependency may have appeared, ended or gone between the first check and the owner's lock, which is held from here
  -- on; and a task that others already wait for may only now exist.
  -- Each by key: as joins, a plan from when the queue was small scans the new rows for each waiting task.
  if v_has_unsettled then
    select array_agg(n.id)
    into v_unsettled
    from new_rows as n
    where n.readiness in ('dependency_lost', 'dependency_pending')
      and exists (
        select
        from fairlane_core.task_dependencies as d
        where d.task_id = n.id
          and case n.readiness
            -- A missing or foreign dependency has not changed.
            when 'dependency_lost' then (select t.user_id is not distinct from n.user_id from fairlane.tasks as t where t.id = d.depends_on)
            else coalesce((select t.status in ('Complete', 'Failed', 'Cancelled') from fairlane.tasks as t where t.id = d.depends_on), true)
          end
      );
  end if;
  if v_unsettled is not null then
    perform fairlane_core.recompute_readiness(v_unsettled);
  end if;

  select array_agg(n.id)
  into v_awaited
  from new_rows as n
  where exists (
    select
    from fairlane_core.task_dependencies as d
    where d.depends_on = n.id
      and (
        select t.readiness = 'dependency_lost' and t.user_id is not distinct from n.user_id
        from fairlane.tasks as t
        where t.id = d.task_id
      )
  );
  if v_awaited is not null then
    perform fairlane_core.unblock_dependents(v_awaited);
  end if;

  if v_children is not null or v_orchestrators is not null then
    perform fairlane_core.join_families(v_orchestrators, v_children);
  end if;

  return null;
end;
$$;

create trigger tasks_after_insert
  after insert on fairlane.tasks
  referencing new table as new_rows
  for each statement execute function fairlane_core.tasks_after_insert();

-- A deleted task leaves the counters; tasks that depended on it can never run and are cancelled.
create function fairlane_core.tasks_after_delete()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may delete
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_changes fairlane_core.counter_delta[];
  v_held fairlane_core.held_slots[];
  v_actor text := fairlane_core.actor();
  v_now timestamptz := fairlane_core.now();
  v_ids uuid[];
  v_statuses text[];
  v_owners uuid[];
  v_lost fairlane_core.task_end[];
  v_gone uuid[];
  v_is_plain boolean := fairlane_core.is_plain_write();
begin
  select
    array_agg(o.id), array_agg(o.status), array_agg(distinct o.user_id),
    array_agg((o.id, o.user_id, 'deleted', null)::fairlane_core.task_end)
  into v_ids, v_statuses, v_owners, v_lost
  from old_rows as o;

  if v_ids is null then
    return null;
  end if;
  -- Also the children that a deleted one had replaced.
  v_gone := v_ids || array(select s.task_id from fairlane_core.subtasks as s where s.replaced_by = any (v_ids));
  perform fairlane_core.lock_for_update(null, null, null, null, null, v_gone, v_owners, v_is_plain);
  if v_is_plain then
    perform fairlane_core.lock_owners(v_owners);
  end if;

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.readiness, g.delta)::fairlane_core.counter_delta)
  into v_changes
  from (
    select
      o.user_id, o.pool,
      case when o.status = 'In Progress' then o.token_id is null else o.run_type is distinct from 'local' end as is_cloud,
      o.takes_slot,
      case when o.readiness = 'active' and not o.takes_slot and fairlane_core.is_handed_over(o.id, o.lease_token) then 'enqueued' else o.readiness end as readiness,
      -count(*)::integer as delta
    from old_rows as o
    where o.readiness is not null
    group by 1, 2, 3, 4, 5
  ) as g;

  -- Whoever ran a deleted task may still be working on it.
  if exists (select from unnest(v_changes) as c where c.readiness = 'active') then
    v_held := array(
      select h.held
      from (
        select fairlane_core.held_after(
          o.id, o.user_id, o.pool, o.takes_slot, o.worker_id, o.token_id, o.lease_token, o.attempts, o.generation_started_at, v_now
        ) as held
        from old_rows as o
        where o.readiness = 'active'
      ) as h
      where (h.held).task_id is not null
    );
    v_changes := v_changes || array(
      select (h.user_id, h.pool, h.token_id is null, h.takes_slot, 'held', 1)::fairlane_core.counter_delta from unnest(v_held) as h
    );
  end if;

  if v_changes is not null then
    perform fairlane_core.apply_counter_deltas(v_changes, v_now);
  end if;
  if cardinality(v_held) > 0 then
    perform fairlane_core.hold_slots(v_held);
  end if;
  delete from fairlane_core.handovers as h
  using old_rows as o
  where h.orchestrator_id = o.id
    and not o.takes_slot;

  -- Even if nothing is counted: families change under the owner's lock.
  perform from fairlane_core.user_slots as s where s.user_id = any (v_owners) order by s.user_id for no key update;

  insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select o.id, o.user_id, v_now, o.status, o.status, o.worker_id, o.attempts, v_actor, 'deleted'
  from old_rows as o;

  perform fairlane_core.leave_families(v_ids, v_statuses);
  perform fairlane_core.cascade_failure(v_lost);
  return null;
end;
$$;

create trigger tasks_after_delete
  after delete on fairlane.tasks
  referencing old table as old_rows
  for each statement execute function fairlane_core.tasks_after_delete();
