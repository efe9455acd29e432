-- The start of a task, and what a claim answers.

-- Hands a queued task out, to this worker (and token, and claim request): a new lease, one more start, the slot. The
-- task and its owner's slots are locked by the caller.
-- It keeps the counters itself instead of leaving them to tasks_after_update (which does not run in the mode
-- counts_itself); what it must come to is the same, and queue.drift says whether it did.
-- queue.claim_next_task says the same once more for the plain claim.
create function queue.start_task(p_task_id uuid, p_worker_id text, p_token_id uuid, p_claim_id text, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
  v_slots queue.user_slots;
  v_slot integer;
  v_cloud integer;
  v_by_key integer;
  v_turn_load integer;
  v_room integer;
begin
  perform set_config('queue.mode', 'counts_itself', true);
  update public.tasks as t
  set status = 'In Progress',
    standing = 'active',
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
  perform set_config('queue.mode', '', true);

  v_slot := v_task.takes_slot::integer;
  update queue.user_slots as s
  set running = s.running + v_slot,
    orchestrating = s.orchestrating + 1 - v_slot,
    cloud_reason = queue.with_limit(s.cloud_reason, s.running + v_slot, s.task_limit),
    local_reason = queue.with_limit(s.local_reason, s.running + v_slot, s.task_limit)
  where s.user_id = v_task.user_id
  returning s.* into v_slots;
  v_turn_load := v_slots.running + v_slots.orchestrating + v_slots.remembered;
  v_room := greatest(v_slots.orchestration_limit - v_slots.orchestrating, 0);

  -- All of the owner's lines: the task leaves one, and what runs has changed for either.
  v_cloud := (v_task.run_type = 'cloud')::integer;
  v_by_key := (p_token_id is null)::integer;
  update queue.user_lines as l
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
    turn_at = case when p_token_id is null then p_now else l.turn_at end
  where l.user_id = v_task.user_id
    and l.pool = v_task.pool;

  update queue.user_lines as l
  set running = v_slots.running,
    turn_load = v_turn_load,
    orchestration_room = v_room,
    is_open = v_slots.cloud_reason is null and (l.ready_cloud > 0 or v_room > 0)
  where l.user_id = v_task.user_id
    and l.pool <> v_task.pool
    and l.ready_cloud + l.ready_cloud_orchestration > 0;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
  values (
    v_task.id, v_task.user_id, p_now, 'Queued', 'In Progress', p_worker_id, v_task.attempts,
    coalesce('token:' || p_token_id, 'service')
  );

  return v_task;
end;
$$;

-- What a claim answers. params leave as jsonb text: a 64-bit seed stays what it was. Workers die on params that are no
-- object; a row from before that was asked for is wrapped in one.
-- The reply of a claim: task_id, task_type, params, project_id, lease_token, attempt (which start this is), attempts (how
-- many have failed so far).
create function queue.claim_reply(p_task public.tasks)
returns json
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'task_type', p_task.task_type,
    'params', case when jsonb_typeof(p_task.params) = 'object' then p_task.params else jsonb_build_object('params', p_task.params) end,
    'project_id', p_task.project_id,
    'lease_token', p_task.lease_token,
    'attempt', p_task.attempts,
    -- Failures so far: by this deployed workers count when to give up.
    'attempts', greatest(p_task.attempts - (p_task.status = 'In Progress')::integer, 0)
  );
end;
$$;

-- What a worker would rather run: the model it has loaded. The guard holds for every caller that has a model, so that
-- no task waits for ever because other tasks suit the workers better.
-- The affinity of a worker that claims: its current model, null when none is known; a wait in minutes,
-- queue.settings.max_affinity_wait when null. Raises 409 WORKER_NOT_ELIGIBLE when somebody else than the worker itself
-- has set it to terminating, terminated or error.
create function queue.affinity_of(p_worker_id text, p_same_model_only boolean, p_max_task_wait_minutes numeric)
returns queue.affinity
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_worker public.workers;
  v_affinity queue.affinity;
begin
  select w.* into v_worker from public.workers as w where w.id = p_worker_id;

  -- Its own goodbye binds nobody: it has come back.
  if v_worker.status in ('terminating', 'terminated', 'error') and v_worker.goodbye_at is null then
    perform queue.refuse(
      409, 'WORKER_NOT_ELIGIBLE',
      pg_catalog.format(
        'Worker %s gets no tasks: its status is %s%s',
        p_worker_id, v_worker.status, coalesce(' (' || (v_worker.metadata ->> 'error_reason') || ')', '')
      ),
      case
        when queue.is_rented(v_worker) then 'Stop claiming; a replacement claims under an id of its own'
        else pg_catalog.format(
          'Stop claiming; a replacement claims under an id of its own. A machine that was started by hand is brought back by: select keep_worker(%L)',
          p_worker_id
        )
      end
    );
  end if;

  if v_worker.current_model is not null then
    v_affinity.model := v_worker.current_model;
    v_affinity.is_required := coalesce(p_same_model_only, false);
    v_affinity.waited_since := queue.now() - coalesce(
      make_interval(secs => (p_max_task_wait_minutes * 60)::double precision),
      (select s.max_affinity_wait from queue.settings as s)
    );
  end if;
  return v_affinity;
end;
$$;

-- An empty answer is not the whole truth while somebody else's transaction holds owners with work: the header
-- x-fairlane-passed-over says how many were passed over; none for 0. PostgREST sends what response.headers holds, and
-- the functions hand it on.
create function queue.say_passed_over(p_count integer)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_count > 0 then
    perform set_config(
      'response.headers',
      (
        coalesce(nullif(current_setting('response.headers', true), '')::jsonb, '[]')
          || jsonb_build_array(jsonb_build_object('x-fairlane-passed-over', p_count::text))
      )::text,
      true
    );
  end if;
end;
$$;

-- Ends a queued task Failed when its params are too large to be handed out: it would hold up everything behind it, for
-- ever. They leave the row, too, and how many bytes they were stored in takes their place: every list of its owner's
-- tasks would stop at what cannot be written out. Called while no user is locked, because an end locks tasks first;
-- false when somebody else holds what has to be locked.
create function queue.end_unfit_task(p_task_id uuid)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_timeout text := current_setting('lock_timeout');
  v_reason constant text := 'Its params are too large to be handed out: written out, they have more than 8388608 characters';
begin
  perform set_config('lock_timeout', '200ms', true);
  perform queue.lock_relatives(p_task_id, 'Failed');
  perform queue.say('queue', v_reason);
  update public.tasks as t
  set status = 'Failed',
    error_message = v_reason,
    output_location = v_reason,
    params = jsonb_strip_nulls(jsonb_build_object(
      'params_too_large', pg_column_size(t.params),
      queue.parent_key(), queue.parent_task_id(t.params)
    ))
  where t.id = p_task_id
    and t.status = 'Queued'
    and not queue.fits_a_reply(t.has_bounded_params, t.params);
  perform queue.say(null);
  perform set_config('lock_timeout', v_timeout, true);
  return true;
exception
  when lock_not_available or deadlock_detected then
    return false;
end;
$$;

-- A worker that runs one task at a time and asks for another orchestrates nothing any more, whatever it has said of it: the
-- places are free, but that of the one whose reply was lost (queue.lost_orchestration). Waits for nobody: what somebody is
-- just changing is left for the next claim.
-- Frees the places of the orchestration tasks that this worker still holds in this pool, but that of p_but.
create function queue.leave_orchestration(p_worker_id text, p_token_id uuid, p_pool text, p_but uuid default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task_id uuid;
  v_task public.tasks;
begin
  for v_task_id in
    -- Ordered apart: claims forbid sorts, and an index in this order is no way to what a worker holds.
    with held as materialized (
      select t.id, t.user_id
      from public.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'In Progress'
        and t.token_id is not distinct from p_token_id
        and t.pool = p_pool
        and not t.takes_slot
        and t.id is distinct from p_but
        and not queue.is_handed_over(t.id, t.lease_token)
    )
    select h.id from held as h order by h.user_id, h.id
  loop
    -- The task before its owner, like everywhere.
    select t.* into v_task from public.tasks as t where t.id = v_task_id for no key update skip locked;
    continue when v_task.id is null;
    perform from queue.user_slots as s where s.user_id = v_task.user_id for no key update skip locked;
    continue when not found;
    if v_task.standing = 'active' and v_task.worker_id = p_worker_id and v_task.token_id is not distinct from p_token_id
      and not v_task.takes_slot and not queue.is_handed_over(v_task.id, v_task.lease_token) then
      perform queue.hand_over(v_task);
    end if;
  end loop;
end;
$$;
