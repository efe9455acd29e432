-- Moves the derived counters by what one statement changed, owner by owner in the order of their ids. Everything
-- about an owner is done under the lock on the owner's slots, and the order keeps two statements that touch several
-- owners from waiting for each other in a circle. Beside the standings of tasks it knows two more: enqueued, an orchestrator
-- that is active and needs no worker, and held, a start that has ended while its holder has not let go.
create function queue.shift_load(p_changes queue.load_change[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_change record;
  v_slots queue.user_slots;
  v_running integer;
  v_turn_load integer;
  v_room integer;
  v_has_blocked boolean := false;
begin
  for v_change in
    select
      c.user_id,
      c.pool,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and c.is_cloud and c.takes_slot), 0) as ready_cloud,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and c.is_cloud and not c.takes_slot), 0) as ready_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and not c.is_cloud and c.takes_slot), 0) as ready_local,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and not c.is_cloud and not c.takes_slot), 0) as ready_local_orchestration,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and c.is_cloud and c.takes_slot), 0) as active_cloud,
      coalesce(sum(c.delta) filter (where c.standing in ('active', 'enqueued') and c.is_cloud and not c.takes_slot), 0) as active_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and not c.is_cloud and c.takes_slot), 0) as active_local,
      coalesce(sum(c.delta) filter (where c.standing in ('active', 'enqueued') and not c.is_cloud and not c.takes_slot), 0) as active_local_orchestration,
      coalesce(sum(c.delta) filter (where c.standing in ('active', 'held') and c.takes_slot), 0) as running,
      coalesce(sum(c.delta) filter (where c.standing in ('active', 'held') and not c.takes_slot), 0) as orchestrating,
      bool_or(c.standing not in ('ready', 'active', 'enqueued', 'held')) as has_blocked
    from unnest(p_changes) as c
    group by c.user_id, c.pool
    order by c.user_id, c.pool
  loop
    v_has_blocked := v_has_blocked or v_change.has_blocked;
    continue when v_change.user_id is null;

    -- The lock, and what runs.
    v_running := v_change.running;
    update queue.user_slots as s
    set running = s.running + v_running,
      orchestrating = s.orchestrating + v_change.orchestrating,
      cloud_reason = coalesce(nullif(s.cloud_reason, 'user_at_limit'), case when s.running + v_running >= s.task_limit then 'user_at_limit' end),
      local_reason = coalesce(nullif(s.local_reason, 'user_at_limit'), case when s.running + v_running >= s.task_limit then 'user_at_limit' end)
    where s.user_id = v_change.user_id
    returning s.* into v_slots;
    v_turn_load := v_slots.running + v_slots.orchestrating + v_slots.remembered;
    v_room := greatest(v_slots.orchestration_limit - v_slots.orchestrating, 0);

    -- The line that gained or lost tasks. Being served, or beginning to wait, starts a new wait for a turn.
    update queue.user_lines as l
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
      turn_at = case
        when v_change.active_cloud > 0 or v_change.active_cloud_orchestration > 0
          or l.ready_cloud + l.ready_cloud_orchestration = 0 then p_now
        else l.turn_at
      end
    where l.user_id = v_change.user_id
      and l.pool = v_change.pool;

    if not found and v_slots.user_id is not null then
      insert into queue.user_lines (
        user_id, pool, ready_cloud, ready_cloud_orchestration, ready_local, ready_local_orchestration,
        active_cloud, active_cloud_orchestration, active_local, active_local_orchestration, running, turn_load, orchestration_room,
        is_open, turn_at
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

    -- The owner's line in another pool, where what runs has changed under it.
    if v_running <> 0 or v_change.orchestrating <> 0 then
      update queue.user_lines as l
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
    perform queue.shift_blocked(p_changes);
  end if;
end;
$$;

comment on function queue.shift_load(queue.load_change[], timestamptz) is
  'Moves user_slots, user_lines and blocked_tasks by what one statement changed; takes the owners'' locks first, in the order of their ids.';

revoke all on function queue.shift_load(queue.load_change[], timestamptz) from public, anon, authenticated, service_role;
