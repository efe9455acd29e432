-- Moves the derived counters by what one statement changed. Everything about an owner is done under the lock on
-- the owner's slots; several owners are locked in the order of their ids, so that no two statements can wait for
-- each other in a circle.
create function queue.shift_load(p_changes queue.load_change[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_missing integer;
begin
  -- 1. Lock, then count what runs.
  perform
  from queue.user_slots as s
  where s.user_id in (select c.user_id from unnest(p_changes) as c)
  order by s.user_id
  for no key update;

  update queue.user_slots as s
  set running = s.running + m.delta
  from (
    select c.user_id, sum(c.delta) as delta
    from unnest(p_changes) as c
    where c.standing = 'active'
      and c.takes_slot
    group by c.user_id
    having sum(c.delta) <> 0
  ) as m
  where s.user_id = m.user_id;

  -- 2. The lines that gained or lost tasks. Being served, or beginning to wait, starts a new wait for a turn.
  with change as (
    select
      c.user_id,
      c.pool,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and c.is_cloud and c.takes_slot), 0) as ready_cloud,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and c.is_cloud and not c.takes_slot), 0) as ready_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and not c.is_cloud and c.takes_slot), 0) as ready_local,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and not c.is_cloud and not c.takes_slot), 0) as ready_local_orchestration,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and c.is_cloud and c.takes_slot), 0) as active_cloud,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and c.is_cloud and not c.takes_slot), 0) as active_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and not c.is_cloud and c.takes_slot), 0) as active_local,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and not c.is_cloud and not c.takes_slot), 0) as active_local_orchestration
    from unnest(p_changes) as c
    where c.standing in ('ready', 'active')
      and c.user_id is not null
    group by c.user_id, c.pool
  ),
  known as (
    update queue.user_lines as l
    set
      ready_cloud = l.ready_cloud + c.ready_cloud,
      ready_cloud_orchestration = l.ready_cloud_orchestration + c.ready_cloud_orchestration,
      ready_local = l.ready_local + c.ready_local,
      ready_local_orchestration = l.ready_local_orchestration + c.ready_local_orchestration,
      active_cloud = l.active_cloud + c.active_cloud,
      active_cloud_orchestration = l.active_cloud_orchestration + c.active_cloud_orchestration,
      active_local = l.active_local + c.active_local,
      active_local_orchestration = l.active_local_orchestration + c.active_local_orchestration,
      running = s.running,
      is_open = queue.user_reason(s) is null
        and l.ready_cloud + c.ready_cloud + l.ready_cloud_orchestration + c.ready_cloud_orchestration > 0,
      turn_at = case
        when c.active_cloud > 0 or c.active_cloud_orchestration > 0
          or l.ready_cloud + l.ready_cloud_orchestration = 0 then v_now
        else l.turn_at
      end
    from change as c
      join queue.user_slots as s on s.user_id = c.user_id
    where l.user_id = c.user_id
      and l.pool = c.pool
    returning l.user_id, l.pool
  ),
  added as (
    insert into queue.user_lines (
      user_id, pool,
      ready_cloud, ready_cloud_orchestration, ready_local, ready_local_orchestration,
      active_cloud, active_cloud_orchestration, active_local, active_local_orchestration,
      running, is_open, turn_at
    )
    select
      c.user_id, c.pool,
      c.ready_cloud, c.ready_cloud_orchestration, c.ready_local, c.ready_local_orchestration,
      c.active_cloud, c.active_cloud_orchestration, c.active_local, c.active_local_orchestration,
      s.running, queue.user_reason(s) is null and c.ready_cloud + c.ready_cloud_orchestration > 0, v_now
    from change as c
      join queue.user_slots as s on s.user_id = c.user_id
    where not exists (
      select from known as k where k.user_id = c.user_id and k.pool = c.pool
    )
    returning 1
  )
  select count(*) into v_missing from added;

  -- 3. The owners' other lines, where what runs has changed under them.
  perform queue.refresh_lines(array_agg(distinct c.user_id))
  from unnest(p_changes) as c
  where c.standing = 'active'
    and c.takes_slot;

  perform queue.shift_blocked(p_changes)
  where exists (select from unnest(p_changes) as c where c.standing not in ('ready', 'active'));
end;
$$;

comment on function queue.shift_load(queue.load_change[]) is
  'Moves user_slots, user_lines and blocked_tasks by what one statement changed; takes the owners'' locks first, in the order of their ids.';

revoke all on function queue.shift_load(queue.load_change[]) from public, anon, authenticated, service_role;
