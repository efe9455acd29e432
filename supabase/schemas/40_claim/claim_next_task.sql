-- The claim. Most are plain: one statement, in this file. All others go step by step, each checked under its lock: the
-- same task again (start.sql), whose turn (whose_turn.sql; owners_held_by_others.sql), which of that owner's tasks
-- (which_task.sql).

-- The claim (docs/architecture.md): one task to one caller, the owner's limit exact, users in turn.
--
-- The plain case is one check and one statement: a worker with the service key that has no model loaded and holds
-- nothing. Everything else goes to fairlane_core.claim_general, which repeats the rules of the statement, so a change
-- of one needs a change of the other: the turn is that of fairlane_core.take_next_task, the start that of
-- fairlane_core.start_task, the reply fairlane_core.claim_reply.
-- claim_next_task/plain_and_careful_claims_agree.test.sql compares the results.
-- See fairlane.claim_next_task.
create function fairlane_core.claim_next_task(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text,
  p_claim_id text,
  p_same_model_only boolean,
  p_max_task_wait_minutes numeric,
  p_dry_run boolean
)
returns json
language plpgsql
volatile
security definer -- writes lease columns, which no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set enable_sort = off -- queues come in index order: no statistics may make a sort of all rows look as cheap
as $$
declare
  v_pool text := coalesce(p_run_type, 'gpu');
  v_now timestamptz;
  v_old_before timestamptz;
  v_has_open boolean;
  v_reply json;
begin
  if p_caller ->> 'kind' = 'service' and length(p_worker_id) between 1 and 255 and not starts_with(p_worker_id, 'token:') and v_pool = any (fairlane_core.pools())
    and coalesce(length(p_claim_id) <= 255, true) and not p_dry_run then
    -- The same claim twice at once, or two under one name: the second waits, in claim_general. Locks in the same order
    -- as there (fairlane_core.repeat_claim, fairlane_core.redeliver_held_task), because those taken here stay held
    -- meanwhile.
    if (p_claim_id is null or pg_try_advisory_xact_lock(hashtextextended('fairlane_core.claim:' || p_worker_id || ':' || p_claim_id, 0)))
      and pg_try_advisory_xact_lock(hashtextextended('fairlane_core.holder::' || p_worker_id, 0)) then
      select
        pg_catalog.now() + c.clock_offset,
        pg_catalog.now() + c.clock_offset - c.stale_after,
        exists (select from fairlane_core.user_queues as l where l.pool = v_pool and l.is_open)
      into v_now, v_old_before, v_has_open
      from fairlane_core.settings as c
      where not exists (
          select
          from fairlane.workers as w
          where w.id = p_worker_id
            and (w.current_model is not null or w.status = 'terminating' or fairlane_core.has_ended(w.status))
        )
        and (
          case v_pool when 'gpu' then c.gpu_tasks_per_worker else c.api_tasks_per_worker end is null
          or p_worker_id = any (c.shared_worker_ids)
          or not (
            exists (select from fairlane.tasks as t where t.worker_id = p_worker_id and t.status = 'In Progress')
            or exists (select from fairlane_core.held_slots as h where h.worker_id = p_worker_id and h.let_go_at is null)
          )
        )
        and v_pool <> all (c.paused_pools)
        -- No type change is pending: every task is derived from its current type.
        and not exists (select from fairlane_core.deferred_work as w where w.task_type is not null)
        -- Nothing is due, or nothing that a claim would release. The second check is rarely reached. Ordered by due
        -- time, which only one index provides, whatever the statistics.
        and (
          coalesce(
            (select t.available_at from fairlane.tasks as t where t.readiness = 'not_yet' order by t.available_at limit 1)
              > pg_catalog.now() + c.clock_offset,
            true
          )
          or cardinality(fairlane_core.owners_to_release(v_pool)) = 0
        );
    end if;
  end if;

  -- If a claim_id was used before, the start itself notices below; where it would not, the general claim decides.
  if v_now is null or (p_claim_id is not null and not v_has_open) then
    return fairlane_core.claim_general(
      p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
    );
  elsif not v_has_open and fairlane_core.work_while_idle() = 0 then
    return null;
  end if;

  begin
    perform set_config('fairlane_core.mode', 'counts_itself', true);
    with turn as materialized (
      -- Fewest attempts first, then who has waited longest for a turn.
      select
        s.user_id, s.cloud_reason, l.ready_cloud > 0 as has_slot_tasks,
        l.ready_cloud_orchestration > 0 and s.orchestrating < s.orchestration_limit as may_orchestrate
      from fairlane_core.user_queues as l
        join fairlane_core.user_slots as s on s.user_id = l.user_id
      where l.pool = v_pool
        and l.is_open
      order by l.turn_load, l.last_served_at
      limit 1
      for no key update of s skip locked
    ),
    -- The head of the queue, among the kinds of task (orchestration or not) for which there is room.
    head as materialized (
      select h.id
      from turn as u
        cross join lateral (
          select k.id, k.attempts, k.since, k.has_bounded_params
          from (
            select s.*
            from (
              select t.id, t.attempts, t.created_at, greatest(t.created_at, t.available_at, t.released_at) as since, t.priority, t.has_bounded_params
              from fairlane.tasks as t
              where t.user_id = u.user_id
                and t.pool = v_pool
                and t.run_type = 'cloud'
                and t.takes_slot
                and t.readiness = 'ready'
                and u.has_slot_tasks
              order by t.priority desc, t.created_at, t.id
              limit 1
              for no key update skip locked
            ) as s
            union all
            select o.*
            from (
              select t.id, t.attempts, t.created_at, greatest(t.created_at, t.available_at, t.released_at) as since, t.priority, t.has_bounded_params
              from fairlane.tasks as t
              where t.user_id = u.user_id
                and t.pool = v_pool
                and t.run_type = 'cloud'
                and not t.takes_slot
                and t.readiness = 'ready'
                and u.may_orchestrate
              order by t.priority desc, t.created_at, t.id
              limit 1
              for no key update skip locked
            ) as o
          ) as k
          order by k.priority desc, k.created_at, k.id
          limit 1
        ) as h
      where u.cloud_reason is null
        and (h.attempts > 0 or h.since >= v_old_before)
        and h.has_bounded_params
    ),
    started as (
      update fairlane.tasks as t
      set status = 'In Progress',
        readiness = 'active',
        worker_id = p_worker_id,
        token_id = null,
        claim_id = p_claim_id,
        lease_token = gen_random_uuid(),
        attempts = t.attempts + 1,
        claimed_at = v_now,
        generation_started_at = v_now,
        delivered_at = null,
        updated_at = v_now
      -- By key, as a scalar: for a join the planner takes an emptied table for one row
      -- (fairlane_core.lock_relatives_of).
      where t.id = (select h.id from head as h)
      returning
        t.id, t.user_id, t.task_type, t.params, t.project_id, t.lease_token, t.attempts, t.takes_slot::integer as slot
    ),
    slots as (
      update fairlane_core.user_slots as s
      set running = s.running + x.slot,
        orchestrating = s.orchestrating + 1 - x.slot,
        cloud_reason = case when s.running + x.slot >= s.task_limit then 'user_at_limit' end,
        local_reason = coalesce(s.local_reason, case when s.running + x.slot >= s.task_limit then 'user_at_limit' end)
      from started as x
      where s.user_id = (select y.user_id from started as y)
      returning
        s.user_id, s.running, s.cloud_reason, x.slot, s.running + s.orchestrating + s.remembered as turn_load,
        greatest(s.orchestration_limit - s.orchestrating, 0) as room
    ),
    -- All of the owner's queues: the task leaves one, and the number of running tasks changes in each.
    queues as (
      update fairlane_core.user_queues as l
      set ready_cloud = l.ready_cloud - case when l.pool = v_pool then s.slot else 0 end,
        ready_cloud_orchestration = l.ready_cloud_orchestration - case when l.pool = v_pool then 1 - s.slot else 0 end,
        active_cloud = l.active_cloud + case when l.pool = v_pool then s.slot else 0 end,
        active_cloud_orchestration = l.active_cloud_orchestration + case when l.pool = v_pool then 1 - s.slot else 0 end,
        running = s.running,
        turn_load = s.turn_load,
        orchestration_room = s.room,
        is_open = s.cloud_reason is null
          and (
            l.ready_cloud > case when l.pool = v_pool then s.slot else 0 end
            or (s.room > 0 and l.ready_cloud_orchestration > case when l.pool = v_pool then 1 - s.slot else 0 end)
          ),
        last_served_at = case when l.pool = v_pool then v_now else l.last_served_at end
      from slots as s
      where l.user_id = (select y.user_id from slots as y)
        and (l.pool = v_pool or l.ready_cloud + l.ready_cloud_orchestration > 0)
    ),
    event as (
      insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
      select x.id, x.user_id, v_now, 'Queued', 'In Progress', p_worker_id, x.attempts, 'service'
      from started as x
    )
    select json_build_object(
      'task_id', x.id,
      'task_type', x.task_type,
      'params', case when jsonb_typeof(x.params) = 'object' then x.params else jsonb_build_object('params', x.params) end,
      'project_id', x.project_id,
      'lease_token', x.lease_token,
      'attempt', x.attempts,
      'attempts', x.attempts - 1
    )
    into v_reply
    from started as x;
    perform set_config('fairlane_core.mode', '', true);

    if v_reply is null then
      raise sqlstate 'QU001' using message = 'This look found nothing; its locks are released';
    end if;
    return v_reply;
  exception when sqlstate 'QU001' or unique_violation then -- tasks_claim_id_is_used_once
    v_reply := null;
  end;

  return fairlane_core.claim_general(
    p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
  );
end;
$$;

-- Every claim that is not plain (fairlane_core.claim_next_task): with a token, a claim_id that was sent before, a
-- model, work already held, tasks that have just become due, users whom others are serving. Step by step, each checked
-- under its lock.
create function fairlane_core.claim_general(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text,
  p_claim_id text,
  p_same_model_only boolean,
  p_max_task_wait_minutes numeric,
  p_dry_run boolean
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token']);
  v_pool text := coalesce(p_run_type, 'gpu');
  v_holder text;
  v_now timestamptz := fairlane_core.now();
  v_affinity fairlane_core.affinity;
  v_task fairlane.tasks;
  v_has_worked boolean := false;
begin
  if coalesce(p_worker_id, '') = '' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'A claim needs a worker_id, and it is empty', 'Send a worker_id');
  elsif length(p_worker_id) > 255 or length(p_claim_id) > 255 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The worker_id and the claim_id must have at most 255 characters');
  end if;
  perform fairlane_core.refuse_unknown_pool(v_pool);

  v_holder := fairlane_core.holder_name(v_caller, p_worker_id);

  -- The workers table describes the fleet: API workers are not in it, and a user's machine may choose any id.
  if v_caller.kind = 'service' and exists (select from fairlane.workers as w where w.id = p_worker_id) then
    v_affinity := fairlane_core.affinity_of(p_worker_id, p_same_model_only, p_max_task_wait_minutes);
  end if;

  if p_dry_run then
    return fairlane_core.preview_claim(v_caller, v_pool);
  end if;

  begin
    if p_claim_id is not null then
      v_task := fairlane_core.repeat_claim(v_caller, v_holder, v_pool, p_claim_id, v_now);
      if v_task.id is not null then
        return fairlane_core.claim_reply(v_task);
      end if;
    end if;
    v_task := fairlane_core.redeliver_held_task(v_caller, v_holder, v_pool, p_claim_id, v_now);
  exception when lock_not_available then
    -- Somebody is changing what the worker holds: until the outcome is known it gets neither that task nor another one.
    perform fairlane_core.say_passed_over(1);
    return null;
  end;
  -- A worker gets back what it holds, but a paused pool hands out nothing new.
  while v_task.id is null and not exists (select from fairlane_core.settings as s where v_pool = any (s.paused_pools)) loop
    if v_caller.kind = 'token' then
      v_task := fairlane_core.take_own_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    else
      v_task := fairlane_core.take_next_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    end if;
    -- Once more if this claim has done overdue work of the queue: there may be a task now.
    exit when v_task.id is null and (v_has_worked or fairlane_core.work_while_idle() = 0);
    v_has_worked := true;
  end loop;

  -- A worker that said goodbye or crashed and now claims has come back; otherwise the next rescue would requeue what it
  -- gets here. Does not wait for its row: a heartbeat that holds it says the same.
  if v_caller.kind = 'service' and exists (
    select from fairlane.workers as w where w.id = p_worker_id and (w.goodbye_at is not null or w.status = 'crashed')
  ) then
    update fairlane.workers as w
    set status = 'active', metadata = fairlane_core.metadata_after_return(w)
    from (
      select x.id
      from fairlane.workers as x
      where x.id = p_worker_id
        and (x.goodbye_at is not null or x.status = 'crashed')
      for no key update skip locked
    ) as held
    where w.id = held.id;
  end if;

  return case when v_task.id is not null then fairlane_core.claim_reply(v_task) end;
end;
$$;

-- The reply of a claim: task_id, task_type, params, project_id, lease_token, attempt (the number of this attempt),
-- attempts (how many have failed so far). params are returned as jsonb text, so that a 64-bit seed stays exact. Workers
-- crash on params that are no object; a row older than that rule is wrapped in one.
create function fairlane_core.claim_reply(p_task fairlane.tasks)
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
    -- Failures so far: deployed workers decide by this number when to give up.
    'attempts', greatest(p_task.attempts - (p_task.status = 'In Progress')::integer, 0)
  );
end;
$$;

-- What a claim that found nothing does for the queue before it returns: a piece of deferred work, or else an overdue
-- rescue. Usually there is neither, and it writes nothing. Returns how many tasks it changed.
create function fairlane_core.work_while_idle()
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_done json;
begin
  if exists (select from fairlane_core.deferred_work) then
    v_done := fairlane_core.settle_deferred(100, false);
    if (v_done ->> 'settled')::integer > 0 then
      return (v_done ->> 'settled')::integer;
    end if;
  end if;
  return fairlane_core.rescue_when_late();
end;
$$;
