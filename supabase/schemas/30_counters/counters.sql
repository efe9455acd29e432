-- The counters of owners, updated from the changes of one statement, and the user queues that copy from them.

-- Updates the derived counters from the changes of one statement, owner by owner in id order. All work on an owner is
-- done under the lock on the owner's slots, and the order keeps two statements that touch several owners from
-- deadlocking. Besides the readiness of tasks there are two pseudo-states: enqueued, an active orchestrator that needs
-- no worker, and held, an attempt that has ended while its holder has not let go.
create function fairlane_core.apply_counter_deltas(p_changes fairlane_core.counter_delta[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_change record;
  v_slots fairlane_core.user_slots;
  v_running integer;
  v_turn_load integer;
  v_room integer;
  v_has_blocked boolean := false;
begin
  for v_change in
    select
      c.user_id,
      c.pool,
      coalesce(sum(c.delta) filter (where c.readiness = 'ready' and c.is_cloud and c.takes_slot), 0) as ready_cloud,
      coalesce(sum(c.delta) filter (where c.readiness = 'ready' and c.is_cloud and not c.takes_slot), 0) as ready_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.readiness = 'ready' and not c.is_cloud and c.takes_slot), 0) as ready_local,
      coalesce(sum(c.delta) filter (where c.readiness = 'ready' and not c.is_cloud and not c.takes_slot), 0) as ready_local_orchestration,
      coalesce(sum(c.delta) filter (where c.readiness = 'active' and c.is_cloud and c.takes_slot), 0) as active_cloud,
      coalesce(sum(c.delta) filter (where c.readiness in ('active', 'enqueued') and c.is_cloud and not c.takes_slot), 0) as active_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.readiness = 'active' and not c.is_cloud and c.takes_slot), 0) as active_local,
      coalesce(sum(c.delta) filter (where c.readiness in ('active', 'enqueued') and not c.is_cloud and not c.takes_slot), 0) as active_local_orchestration,
      coalesce(sum(c.delta) filter (where c.readiness in ('active', 'held') and c.takes_slot), 0) as running,
      coalesce(sum(c.delta) filter (where c.readiness in ('active', 'held') and not c.takes_slot), 0) as orchestrating,
      bool_or(c.readiness not in ('ready', 'active', 'enqueued', 'held')) as has_blocked
    from unnest(p_changes) as c
    group by c.user_id, c.pool
    order by c.user_id, c.pool
  loop
    v_has_blocked := v_has_blocked or v_change.has_blocked;
    continue when v_change.user_id is null;

    -- Takes the lock, and counts what runs.
    v_running := v_change.running;
    update fairlane_core.user_slots as s
    set running = s.running + v_running,
      orchestrating = s.orchestrating + v_change.orchestrating,
      cloud_reason = fairlane_core.with_limit(s.cloud_reason, s.running + v_running, s.task_limit),
      local_reason = fairlane_core.with_limit(s.local_reason, s.running + v_running, s.task_limit)
    where s.user_id = v_change.user_id
    returning s.* into v_slots;
    v_turn_load := v_slots.running + v_slots.orchestrating + v_slots.remembered;
    v_room := greatest(v_slots.orchestration_limit - v_slots.orchestrating, 0);

    -- The user queue that gained or lost tasks. Being served, or beginning to wait, starts a new wait for a turn.
    update fairlane_core.user_queues as l
    set ready_cloud = l.ready_cloud + v_change.ready_cloud,
      ready_cloud_orchestration = l.ready_cloud_orchestration + v_change.ready_cloud_orchestration,
      ready_local = l.ready_local + v_change.ready_local,
      ready_local_orchestration = l.ready_local_orchestration + v_change.ready_local_orchestration,
      active_cloud = l.active_cloud + v_change.active_cloud,
      active_cloud_orchestration = l.active_cloud_orchestration + v_change.active_cloud_orchestration,
      active_local = l.active_local + v_change.active_local,
      active_local_orchestration = l.active_local_orchestration + v_change.active_local_orchestration,
      running = v_slots.running,
      turn_load = v_turn_load,
      orchestration_room = v_room,
      is_open = v_slots.cloud_reason is null
        and (
          l.ready_cloud + v_change.ready_cloud > 0
          or (v_room > 0 and l.ready_cloud_orchestration + v_change.ready_cloud_orchestration > 0)
        ),
      last_served_at = case
        when v_change.active_cloud > 0 or v_change.active_cloud_orchestration > 0
          or l.ready_cloud + l.ready_cloud_orchestration = 0 then p_now
        else l.last_served_at
      end
    where l.user_id = v_change.user_id
      and l.pool = v_change.pool;

    if not found and v_slots.user_id is not null then
      insert into fairlane_core.user_queues (
        user_id, pool, ready_cloud, ready_cloud_orchestration, ready_local, ready_local_orchestration,
        active_cloud, active_cloud_orchestration, active_local, active_local_orchestration, running, turn_load, orchestration_room,
        is_open, last_served_at
      )
      values (
        v_change.user_id, v_change.pool,
        v_change.ready_cloud, v_change.ready_cloud_orchestration,
        v_change.ready_local, v_change.ready_local_orchestration,
        v_change.active_cloud, v_change.active_cloud_orchestration,
        v_change.active_local, v_change.active_local_orchestration,
        v_slots.running, v_turn_load, v_room,
        v_slots.cloud_reason is null
          and (v_change.ready_cloud > 0 or (v_room > 0 and v_change.ready_cloud_orchestration > 0)),
        p_now
      );
    end if;

    -- The owner's queue in another pool, which copies the number of running tasks.
    if v_running <> 0 or v_change.orchestrating <> 0 then
      update fairlane_core.user_queues as l
      set running = v_slots.running,
        turn_load = v_turn_load,
        orchestration_room = v_room,
        is_open = v_slots.cloud_reason is null and (l.ready_cloud > 0 or v_room > 0)
      where l.user_id = v_change.user_id
        and l.pool <> v_change.pool
        and l.ready_cloud + l.ready_cloud_orchestration > 0;
    end if;
  end loop;

  if v_has_blocked then
    perform fairlane_core.shift_blocked(p_changes);
  end if;
end;
$$;

-- Updates the counters of tasks that wait for a reason of their own. Runs under the owners' locks
-- (fairlane_core.apply_counter_deltas).
create function fairlane_core.shift_blocked(p_changes fairlane_core.counter_delta[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  with change as (
    select
      coalesce(c.user_id, '00000000-0000-0000-0000-000000000000') as user_id,
      c.pool,
      c.readiness as reason,
      c.is_cloud,
      sum(c.delta) as delta
    from unnest(p_changes) as c
    where c.readiness not in ('ready', 'active', 'enqueued', 'held')
    group by 1, 2, 3, 4
    having sum(c.delta) <> 0
  ),
  known as (
    update fairlane_core.blocked_tasks as b
    set task_count = b.task_count + c.delta
    from change as c
    where b.user_id = c.user_id
      and b.pool = c.pool
      and b.reason = c.reason
      and b.is_cloud = c.is_cloud
    returning b.user_id, b.pool, b.reason, b.is_cloud
  )
  insert into fairlane_core.blocked_tasks as b (user_id, pool, reason, is_cloud, task_count)
  select c.user_id, c.pool, c.reason, c.is_cloud, c.delta
  from change as c
  where not exists (
    select
    from known as k
    where k.user_id = c.user_id
      and k.pool = c.pool
      and k.reason = c.reason
      and k.is_cloud = c.is_cloud
  )
  -- Tasks without an owner are not protected by an owner's lock: two statements may add the same row.
  on conflict (user_id, pool, reason, is_cloud) do update
    set task_count = b.task_count + excluded.task_count;
end;
$$;

-- An owner's cloud_reason or local_reason once this many of its tasks run: user_at_limit appears and disappears with
-- the number, and every other reason takes precedence.
create function fairlane_core.with_limit(p_reason text, p_running integer, p_limit integer)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(nullif(p_reason, 'user_at_limit'), case when p_running >= p_limit then 'user_at_limit' end);
end;
$$;

-- Adds to an owner's running, orchestrating and remembered, and updates the user queues: for changes of slots without a
-- change of a task, when an orchestrator has handed over, a holder has let go or an attempt is forgotten. The caller
-- holds the owner's lock.
create function fairlane_core.move_slots(p_user_id uuid, p_running integer, p_orchestrating integer, p_remembered integer)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update fairlane_core.user_slots as s
  set running = s.running + p_running,
    orchestrating = s.orchestrating + p_orchestrating,
    remembered = s.remembered + p_remembered,
    cloud_reason = fairlane_core.with_limit(s.cloud_reason, s.running + p_running, s.task_limit),
    local_reason = fairlane_core.with_limit(s.local_reason, s.running + p_running, s.task_limit)
  where s.user_id = p_user_id;
  perform fairlane_core.refresh_queues(array[p_user_id]);
end;
$$;

-- Updates what these users' queues copy from their slots, and is_open, after an owner has changed. The caller holds the
-- owners' locks.
create function fairlane_core.refresh_queues(p_user_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update fairlane_core.user_queues as l
  set running = s.running,
    turn_load = s.running + s.orchestrating + s.remembered,
    orchestration_room = n.orchestration_room,
    is_open = n.is_open,
    task_limit = s.task_limit,
    closed_by = nullif(s.cloud_reason, 'user_at_limit')
  from fairlane_core.user_slots as s
    join fairlane_core.user_queues as o on o.user_id = s.user_id
    cross join lateral (
      select
        greatest(s.orchestration_limit - s.orchestrating, 0) as orchestration_room,
        s.cloud_reason is null
          and (o.ready_cloud > 0 or (o.ready_cloud_orchestration > 0 and s.orchestrating < s.orchestration_limit)) as is_open
    ) as n
  where s.user_id = any (p_user_ids)
    and l.user_id = o.user_id
    and l.pool = o.pool
    and (l.running, l.turn_load, l.orchestration_room, l.is_open, l.task_limit, l.closed_by) is distinct from (
      s.running, s.running + s.orchestrating + s.remembered, n.orchestration_room, n.is_open, s.task_limit,
      nullif(s.cloud_reason, 'user_at_limit')
    );
end;
$$;

-- Fills in what a user queue copies from its owner's slots and only a write to the owner changes
-- (fairlane_core.refresh_queues). Done once, so that statements that start and end tasks need not carry it.
create function fairlane_core.user_queues_before_insert()
returns trigger
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  select s.task_limit, nullif(s.cloud_reason, 'user_at_limit')
  into strict new.task_limit, new.closed_by
  from fairlane_core.user_slots as s
  where s.user_id = new.user_id;
  return new;
end;
$$;

create trigger user_queues_before_insert
  before insert on fairlane_core.user_queues
  for each row execute function fairlane_core.user_queues_before_insert();

-- The update trigger derives the readiness of a queued task whenever its row is written.
create function fairlane_core.recompute_readiness(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update fairlane.tasks as t
  set readiness = null
  where t.id = any (p_task_ids)
    and t.status = 'Queued';
end;
$$;
