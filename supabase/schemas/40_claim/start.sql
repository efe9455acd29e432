-- The start of an attempt; and claims that return the task which the worker already holds, because the reply was lost
-- or the worker came back.

-- A claim request that was already answered gets the same answer: the reply was lost. But a claim_id may also be
-- derived from something constant, or kept over a restart: then the worker may have died of the task each time, and
-- every repeat would be as free as the first. So repeats are free only as often as attempts are uncounted
-- (max_uncounted_releases), and only until the worker has named the task: then it has had the reply. Further repeats
-- count as attempts, and end the task after its last one (as in fairlane_core.redeliver_held_task).
-- Returns the running task that this claim request was answered with, as a new attempt where it was answered too often;
-- null when the request is new, or that task has had its last attempt. 409 CLAIM_ID_USED when the task has ended, is of
-- another pool or needs no worker any more. Raises 55P03 when another transaction holds its owner.
create function fairlane_core.repeat_claim(p_caller fairlane_core.caller, p_worker_id text, p_pool text, p_claim_id text, p_now timestamptz)
returns fairlane.tasks
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '120ms' -- restored when the function ends; the effective value is set below
as $$
declare
  v_task fairlane.tasks;
  v_locked fairlane.tasks;
begin
  -- The same request twice at once: the second waits for the first.
  perform fairlane_core.wait_for_name(
    'fairlane_core.claim:' || p_worker_id || ':' || p_claim_id, pg_catalog.format('claim_id %s', p_claim_id)
  );

  select t.*
  into v_task
  from fairlane.tasks as t
  where t.worker_id = p_worker_id
    and t.claim_id = p_claim_id
    and t.token_id is not distinct from p_caller.token_id;

  if v_task.status <> 'In Progress' then
    perform fairlane_core.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with a task that has ended since', p_claim_id),
      'Use a new claim_id for a new claim'
    );
  elsif v_task.id is not null and not fairlane_core.is_served_by(p_caller, p_pool, v_task.pool, v_task.runs_on_own_gpu, v_task.run_type) then
    perform fairlane_core.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with a task of the pool %s', p_claim_id, v_task.pool),
      'Use a new claim_id for a claim of another pool'
    );
  elsif fairlane_core.is_handed_over(v_task.id, v_task.lease_token) then
    perform fairlane_core.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with an orchestrator that needs no worker any more', p_claim_id),
      'Use a new claim_id for a new claim'
    );
  elsif v_task.id is null then
    return null;
  end if;

  -- Does not wait for another holder of the row: then this repeat is not counted. The wait for the owner when the task
  -- ends is short (fairlane_core.claim_general).
  perform fairlane_core.limit_lock_waits(0.5);
  select t.*
  into v_locked
  from fairlane.tasks as t
  where t.id = v_task.id
    and t.lease_token = v_task.lease_token
    and t.status = 'In Progress'
  for no key update skip locked;

  if v_locked.id is null then
    select t.*
    into v_task
    from fairlane.tasks as t
    where t.id = v_task.id
      and t.worker_id = p_worker_id
      and t.claim_id = p_claim_id
      and t.status = 'In Progress';
    return v_task;
  end if;

  perform fairlane_core.set_event_context(fairlane_core.caller_name(p_caller));
  if v_locked.claim_repeats < (select s.max_uncounted_releases from fairlane_core.settings as s)
    -- A request may be delayed on its way, but not by this much.
    and (v_locked.delivered_at is null or v_locked.claimed_at > p_now - interval '1 minute') then
    update fairlane.tasks as t
    set claim_repeats = t.claim_repeats + 1
    where t.id = v_locked.id
    returning t.* into v_task;
  else
    v_task := fairlane_core.start_again(v_locked, p_claim_id, p_now, 'repeated its claim again and again');
  end if;
  perform fairlane_core.set_event_context(null);
  return v_task;
end;
$$;

-- A worker claims although it holds all it may, or was handed an orchestration task and has never named it. Either it
-- never heard of the task (the reply was lost: the same attempt under a new lease) or it died and came back under its
-- name (a new attempt, and the end of the task after its last one). For a task that kills its worker before the first
-- report the two cannot be told apart: as often as attempts are uncounted (max_uncounted_releases) the reply is assumed
-- lost, then each claim is an attempt.
-- Returns the task that a worker at its own limit already holds, or the orchestration task that it has not named since
-- it was handed out, handed out again; null when the worker may take another one. Raises 55P03 when another transaction
-- holds that task or its owner.
create function fairlane_core.redeliver_held_task(
  p_caller fairlane_core.caller, p_worker_id text, p_pool text, p_claim_id text, p_now timestamptz
)
returns fairlane.tasks
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '120ms' -- restored when the function ends; the effective value is set below
as $$
declare
  v_limit integer;
  v_held_count integer;
  v_held_id uuid;
  v_lost_id uuid;
  v_held fairlane.tasks;
begin
  select case p_pool when 'gpu' then s.gpu_tasks_per_worker else s.api_tasks_per_worker end
  into v_limit
  from fairlane_core.settings as s
  where fairlane_core.sent_name(p_worker_id) <> all (s.shared_worker_ids);

  if v_limit is null then
    return null;
  end if;

  -- Two claims at once under one name: the second waits here and then sees what the first got.
  perform fairlane_core.wait_for_name(
    'fairlane_core.holder::' || p_worker_id, pg_catalog.format('Another claim of worker %s', fairlane_core.sent_name(p_worker_id))
  );

  select count(*), (array_agg(t.id order by t.claimed_at, t.id))[1]
  into v_held_count, v_held_id
  from fairlane.tasks as t
  where t.worker_id = p_worker_id
    and t.status = 'In Progress'
    and t.token_id is not distinct from p_caller.token_id
    and fairlane_core.is_served_by(p_caller, p_pool, t.pool, t.runs_on_own_gpu, t.run_type)
    and t.takes_slot;

  -- A worker that runs one task at a time and claims again has let go of what others ended, and no longer orchestrates.
  -- But it may never have heard of the last orchestration task it was handed.
  if v_limit = 1 then
    if v_held_count = 0 then
      v_lost_id := fairlane_core.stalled_orchestration(p_worker_id, p_caller.token_id, p_pool);
    end if;
    perform fairlane_core.let_go_of(p_worker_id, p_caller.token_id, p_pool, null);
    perform fairlane_core.leave_orchestration(p_worker_id, p_caller.token_id, p_pool, v_lost_id);
  end if;

  if v_held_count < v_limit and v_lost_id is null then
    return null;
  end if;

  -- The task may be ending right now; then the worker no longer holds it. Does not wait for whoever keeps it or its
  -- owner locked (fairlane_core.claim_general).
  perform fairlane_core.limit_lock_waits(0.5);
  select t.*
  into v_held
  from fairlane.tasks as t
  where t.id = coalesce(v_lost_id, v_held_id)
    and t.status = 'In Progress'
    and t.worker_id = p_worker_id
  for no key update;

  if v_held.id is null then
    return null;
  elsif v_lost_id is not null
    and fairlane_core.stalled_orchestration(p_worker_id, p_caller.token_id, p_pool) is distinct from v_lost_id then
    -- It was named meanwhile.
    perform fairlane_core.leave_orchestration(p_worker_id, p_caller.token_id, p_pool);
    return null;
  end if;

  perform fairlane_core.set_event_context(fairlane_core.caller_name(p_caller));
  if v_held.delivered_at is null and v_held.uncounted_releases < (select s.max_uncounted_releases from fairlane_core.settings as s) then
    update fairlane.tasks as t
    set lease_token = gen_random_uuid(), claim_id = p_claim_id, claimed_at = p_now, uncounted_releases = t.uncounted_releases + 1
    where t.id = v_held.id
    returning t.* into v_held;
  else
    v_held := fairlane_core.start_again(v_held, p_claim_id, p_now, 'claimed again');
  end if;
  perform fairlane_core.set_event_context(null);
  return v_held;
end;
$$;

-- The orchestration task in this pool that this worker was handed last and never heard of: it claims again, and since
-- that claim no report, log or child has named the task; null when there is none. A worker that runs one task at a time
-- would have named it first.
create function fairlane_core.stalled_orchestration(p_worker_id text, p_token_id uuid, p_pool text)
returns uuid
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    -- Found separately: claims disable sorts, and an index in this order would be a bad way to find what a worker
    -- holds.
    with held as materialized (
      select t.id, t.claimed_at
      from fairlane.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'In Progress'
        and t.token_id is not distinct from p_token_id
        and t.pool = p_pool
        and not t.takes_slot
        and t.delivered_at is null
        and not fairlane_core.is_handed_over(t.id, t.lease_token)
        and not fairlane_core.is_waiting_for_children(t)
        -- As a scalar: an anti-join would be planned over all tasks.
        and (
          select true
          from fairlane_core.subtasks as s
            join fairlane.tasks as c on c.id = s.task_id
          where s.orchestrator_id = t.id
            and c.created_at >= t.claimed_at
          limit 1
        ) is null
    )
    select h.id from held as h order by h.claimed_at desc, h.id limit 1
  );
end;
$$;

-- A holder that claims again while it runs the task, and is known to have had the reply, has died of the task or
-- forgotten it: that counts as another attempt, or ends the task after the last one.
-- Gives this running task, which the caller has locked, to its holder again, with a new lease and one more attempt; or
-- ends it as Failed after its last one, and returns null. p_what: what the holder did instead of finishing it, for the
-- reason.
create function fairlane_core.start_again(p_held fairlane.tasks, p_claim_id text, p_now timestamptz, p_what text)
returns fairlane.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_reason text;
  v_task fairlane.tasks;
begin
  if p_held.attempts < fairlane_core.starts_allowed(p_held) then
    update fairlane.tasks as t
    set claim_id = p_claim_id,
      lease_token = gen_random_uuid(),
      attempts = t.attempts + 1,
      claimed_at = p_now,
      generation_started_at = p_now,
      delivered_at = null,
      seen_at = null,
      is_beaten_for = false
    where t.id = p_held.id
    returning t.* into v_task;
    return v_task;
  end if;

  v_reason := coalesce(fairlane_core.told_reason(p_held), pg_catalog.format(
    'Given up after %s attempts: worker %s %s without finishing it', p_held.attempts, fairlane_core.sent_name(p_held.worker_id), p_what
  ));
  perform set_config('fairlane_core.mode', 'let_go:' || p_held.id, true);
  update fairlane.tasks as t
  set status = 'Failed',
    error_message = v_reason,
    output_location = v_reason,
    claim_id = nullif(t.claim_id, p_claim_id) -- freed: this claim goes on under it
  where t.id = p_held.id;
  perform set_config('fairlane_core.mode', '', true);
  return null;
end;
$$;

-- Hands a queued task to this worker (and token, and claim request): a new lease, one more attempt, the slot. The
-- caller has locked the task and its owner's slots.
-- Updates the counters itself instead of leaving them to tasks_after_update (which does not run in the mode
-- counts_itself); the result must be the same, and fairlane_core.drift checks it.
-- fairlane_core.claim_next_task repeats this for the plain claim.
create function fairlane_core.start_task(p_task_id uuid, p_worker_id text, p_token_id uuid, p_claim_id text, p_now timestamptz)
returns fairlane.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task fairlane.tasks;
  v_slots fairlane_core.user_slots;
  v_slot integer;
  v_cloud integer;
  v_by_key integer;
  v_turn_load integer;
  v_room integer;
begin
  perform set_config('fairlane_core.mode', 'counts_itself', true);
  update fairlane.tasks as t
  set status = 'In Progress',
    readiness = 'active',
    worker_id = p_worker_id,
    token_id = p_token_id,
    claim_id = p_claim_id,
    lease_token = gen_random_uuid(),
    attempts = t.attempts + 1,
    claimed_at = p_now,
    generation_started_at = p_now,
    delivered_at = null,
    updated_at = p_now
  where t.id = p_task_id
  returning t.* into v_task;
  perform set_config('fairlane_core.mode', '', true);

  v_slot := v_task.takes_slot::integer;
  update fairlane_core.user_slots as s
  set running = s.running + v_slot,
    orchestrating = s.orchestrating + 1 - v_slot,
    cloud_reason = fairlane_core.with_limit(s.cloud_reason, s.running + v_slot, s.task_limit),
    local_reason = fairlane_core.with_limit(s.local_reason, s.running + v_slot, s.task_limit)
  where s.user_id = v_task.user_id
  returning s.* into v_slots;
  v_turn_load := v_slots.running + v_slots.orchestrating + v_slots.remembered;
  v_room := greatest(v_slots.orchestration_limit - v_slots.orchestrating, 0);

  -- All of the owner's queues: the task leaves one, and the number of running tasks changes in each.
  v_cloud := (v_task.run_type = 'cloud')::integer;
  v_by_key := (p_token_id is null)::integer;
  update fairlane_core.user_queues as l
  set ready_cloud = l.ready_cloud - v_cloud * v_slot,
    ready_cloud_orchestration = l.ready_cloud_orchestration - v_cloud * (1 - v_slot),
    ready_local = l.ready_local - (1 - v_cloud) * v_slot,
    ready_local_orchestration = l.ready_local_orchestration - (1 - v_cloud) * (1 - v_slot),
    active_cloud = l.active_cloud + v_by_key * v_slot,
    active_cloud_orchestration = l.active_cloud_orchestration + v_by_key * (1 - v_slot),
    active_local = l.active_local + (1 - v_by_key) * v_slot,
    active_local_orchestration = l.active_local_orchestration + (1 - v_by_key) * (1 - v_slot),
    running = v_slots.running,
    turn_load = v_turn_load,
    orchestration_room = v_room,
    is_open = v_slots.cloud_reason is null
      and (
        l.ready_cloud - v_cloud * v_slot > 0
        or (v_room > 0 and l.ready_cloud_orchestration - v_cloud * (1 - v_slot) > 0)
      ),
    last_served_at = case when p_token_id is null then p_now else l.last_served_at end
  where l.user_id = v_task.user_id
    and l.pool = v_task.pool;

  update fairlane_core.user_queues as l
  set running = v_slots.running,
    turn_load = v_turn_load,
    orchestration_room = v_room,
    is_open = v_slots.cloud_reason is null and (l.ready_cloud > 0 or v_room > 0)
  where l.user_id = v_task.user_id
    and l.pool <> v_task.pool
    and l.ready_cloud + l.ready_cloud_orchestration > 0;

  insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
  values (
    v_task.id, v_task.user_id, p_now, 'Queued', 'In Progress', p_worker_id, v_task.attempts,
    coalesce('token:' || p_token_id, 'service')
  );

  return v_task;
end;
$$;
