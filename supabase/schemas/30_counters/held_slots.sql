-- Attempts that somebody other than their holder ended: the slot stays taken until the holder lets go.

-- The row of fairlane_core.held_slots for an attempt that has just ended: the slot, if the holder is alive and did not
-- end the attempt itself; else null. A function that ends a task for its holder says so (let_go in fairlane_core.mode).
-- What an operator ends directly in the database is free at once.
create function fairlane_core.held_after(
  p_task_id uuid, p_user_id uuid, p_pool text, p_takes_slot boolean, p_worker_id text, p_token_id uuid, p_lease_token uuid,
  p_attempt integer, p_billed_from timestamptz, p_now timestamptz
)
returns fairlane_core.held_slots
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_held fairlane_core.held_slots;
begin
  if p_worker_id is null
    or fairlane_core.actor() = session_user::text
    or strpos(current_setting('fairlane_core.mode', true), 'let_go:' || p_task_id) > 0
    or (not p_takes_slot and fairlane_core.is_handed_over(p_task_id, p_lease_token))
    or (
      p_token_id is null
      and exists (select from fairlane.workers as w where w.id = p_worker_id and fairlane_core.has_ended(w.status))
    )
    -- Deleting an owner deletes its held slots too.
    or not exists (select from fairlane.owners as u where u.id = p_user_id) then
    return null;
  end if;
  v_held.task_id := p_task_id;
  v_held.user_id := p_user_id;
  v_held.pool := p_pool;
  v_held.takes_slot := p_takes_slot;
  v_held.worker_id := p_worker_id;
  v_held.token_id := p_token_id;
  v_held.lease_token := p_lease_token;
  v_held.attempt := p_attempt;
  -- A task that its owner ends early is paid for until the machine lets go; the service is trusted.
  if p_token_id is null and fairlane_core.actor() ~ '^(user|token):' then
    v_held.billed_from := p_billed_from;
  end if;
  v_held.held_since := p_now;
  v_held.held_until := p_now + (select s.held_slot_limit from fairlane_core.settings as s);
  return v_held;
end;
$$;

-- Stores held slots as rows of fairlane_core.held_slots. They are already counted (fairlane_core.apply_counter_deltas);
-- the caller holds the owners' locks.
create function fairlane_core.hold_slots(p_held fairlane_core.held_slots[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into fairlane_core.held_slots (
    task_id, user_id, pool, takes_slot, worker_id, token_id, lease_token, attempt, billed_from, held_since, held_until
  )
  select
    h.task_id, h.user_id, h.pool, h.takes_slot, h.worker_id, h.token_id, h.lease_token, h.attempt, h.billed_from,
    h.held_since, h.held_until
  from unnest(p_held) as h;
end;
$$;

-- Frees what the caller still holds of this task, which it has just reported on: reporting on a task that others have
-- ended shows that the caller has let go of it. Workers of the fleet are not identified: the first to report on the
-- task counts as its holder, as everywhere.
create function fairlane_core.let_go_by_report(p_caller fairlane_core.caller, p_task_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_caller.kind <> 'user' and exists (select from fairlane_core.held_slots as h where h.task_id = p_task_id and h.let_go_at is null) then
    perform fairlane_core.let_go_of(null, p_caller.token_id, null, p_task_id);
  end if;
end;
$$;

-- Frees slots when their holder reports on the task, claims again or ends: those still held by this worker (null =
-- whoever has this token, null = the service key) in this pool for this task (null = any). Returns how many.
create function fairlane_core.let_go_of(p_worker_id text, p_token_id uuid, p_pool text, p_task_id uuid)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_held_id bigint;
  v_count integer := 0;
begin
  for v_held_id in
    select h.id
    from fairlane_core.held_slots as h
    where h.let_go_at is null
      and h.token_id is not distinct from p_token_id
      and (p_task_id is null or h.task_id = p_task_id)
      and (p_worker_id is null or h.worker_id = p_worker_id)
      and (
        p_pool is null or h.pool = p_pool
        -- What a token's machine ran of other pools (fairlane_core.is_served_by).
        or (p_pool = 'gpu' and h.token_id is not null and (select t.runs_on_own_gpu from fairlane.tasks as t where t.id = h.task_id))
      )
    order by h.user_id, h.id
  loop
    v_count := v_count + fairlane_core.let_go(v_held_id, fairlane_core.now())::integer;
  end loop;
  return v_count;
end;
$$;

-- Frees, up to p_limit, what time alone frees: slots whose holders have ended or fallen silent, or that have been held
-- for held_slot_limit; and forgets attempts that no longer count for a turn. Skips rows that somebody is changing.
-- Returns how many it freed.
create function fairlane_core.free_held_slots(p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
  v_trusted_since timestamptz := (select least(w.trusted_since, v_now) from fairlane_core.clock_watch as w);
  v_held record;
  v_count integer := 0;
begin
  if not exists (select from fairlane_core.held_slots) then
    return 0;
  end if;
  select s.* into v_settings from fairlane_core.settings as s;

  for v_held in
    select h.id, least(h.held_until, v_now) as ended_at
    from fairlane_core.held_slots as h
      left join fairlane.workers as w on w.id = h.worker_id and h.token_id is null
    where h.let_go_at is null
      and (
        h.held_until <= v_now
        or fairlane_core.has_ended(w.status)
        or (
          h.token_id is null
          and greatest(h.held_since, fairlane_core.seen_at(w.last_heartbeat, v_now), v_trusted_since)
            < v_now - case h.pool when 'gpu' then v_settings.gpu_heartbeat_timeout else v_settings.api_heartbeat_timeout end
        )
      )
    order by h.user_id, h.id
    limit p_limit
  loop
    v_count := v_count + fairlane_core.let_go(v_held.id, v_held.ended_at)::integer;
  end loop;

  for v_held in
    with forgotten as (
      delete from fairlane_core.held_slots as h
      where h.id in (
        select d.id
        from fairlane_core.held_slots as d
          join fairlane_core.user_slots as s on s.user_id = d.user_id
        where d.held_until <= v_now
          and d.let_go_at is not null
        order by d.user_id, d.id
        limit p_limit
        for no key update of s skip locked
      )
      returning h.user_id
    )
    select f.user_id, count(*)::integer as starts from forgotten as f group by f.user_id order by f.user_id
  loop
    perform fairlane_core.move_slots(v_held.user_id, 0, 0, -v_held.starts);
  end loop;
  return v_count;
end;
$$;

-- The holder of an attempt that others ended has let go: the slot is free, and the cost of the attempt is known. Waits
-- for nobody: a locked row is left for the next run (fairlane_core.free_held_slots, each minute).
-- Frees this held slot and records until when the machine is paid; false when it is already free or somebody is
-- changing the task or its owner.
create function fairlane_core.let_go(p_held_id bigint, p_at timestamptz)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_held fairlane_core.held_slots;
  v_task fairlane.tasks;
  v_mode constant text := coalesce(current_setting('fairlane_core.mode', true), '');
begin
  select h.* into v_held from fairlane_core.held_slots as h where h.id = p_held_id;

  -- The task before its owner, as everywhere.
  select t.* into v_task from fairlane.tasks as t where t.id = v_held.task_id for no key update skip locked;
  if v_task.id is null and exists (select from fairlane.tasks as t where t.id = v_held.task_id) then
    return false;
  end if;
  perform from fairlane_core.user_slots as s where s.user_id = v_held.user_id for no key update skip locked;
  if not found then
    return false;
  end if;

  update fairlane_core.held_slots as h
  set let_go_at = p_at,
    -- From here on it counts only for the turn, and briefly: cancelling a task should cost about one attempt, not more.
    held_until = least(h.held_until, p_at + (select s.turn_memory from fairlane_core.settings as s))
  where h.id = p_held_id
    and h.let_go_at is null;
  if not found then
    return false;
  end if;
  perform fairlane_core.move_slots(v_held.user_id, -v_held.takes_slot::integer, v_held.takes_slot::integer - 1, 1);

  -- A machine of the fleet is paid until it lets go, even if the owner has ended its task.
  if v_held.billed_from is not null then
    if v_task.lease_token = v_held.lease_token and v_task.status in ('Complete', 'Failed', 'Cancelled') then
      perform set_config('fairlane_core.mode', concat_ws(' ', v_mode, 'bills'), true);
      update fairlane.tasks as t set generation_processed_at = p_at where t.id = v_task.id;
      perform set_config('fairlane_core.mode', v_mode, true);
    end if;
    insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
    values (
      v_held.task_id, v_held.user_id, fairlane_core.now(), coalesce(v_task.status, 'In Progress'), coalesce(v_task.status, 'In Progress'),
      v_held.worker_id, v_held.attempt, 'fairlane_core.let_go',
      pg_catalog.format('its worker let go %s s after the end', fairlane_core.seconds_between(v_held.held_since, p_at)),
      jsonb_build_object('billed_from', v_held.billed_from, 'billed_to', p_at)
    );
  end if;
  return true;
end;
$$;
