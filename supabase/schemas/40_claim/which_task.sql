-- Which of an owner's tasks runs next: the head of the queue, skipping tasks that are held, stale, behind their type
-- or, for a worker with a model, of another model.

-- The task of a user that should run next, locked. Call it under the user's lock: ready tasks and free slots cannot
-- change then, and are checked again here.
-- Locks the next task of this user's queue in the pool and returns its id (null when the user may run none now),
-- whether stale tasks, or tasks whose type has changed, were set aside on the way, and whether other transactions hold
-- the only tasks. Raises QU002 with the id of a head that cannot be handed out. With a token, local tasks count too and
-- the user's switch for local work decides.
create function fairlane_core.lock_queue_head(
  p_user_id uuid,
  p_pool text,
  p_caller fairlane_core.caller,
  p_affinity fairlane_core.affinity,
  out task_id uuid,
  out has_written boolean,
  out is_held boolean
)
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_slots fairlane_core.user_slots;
  v_head record;
  v_only_suited boolean;
  v_before fairlane.tasks;
  v_own_id uuid;
  -- Types that have changed while not all of their tasks are derived again.
  v_is_behind boolean := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
begin
  has_written := false;
  is_held := false;
  select s.* into v_slots from fairlane_core.user_slots as s where s.user_id = p_user_id;

  if (case when p_caller.user_id is null then v_slots.cloud_reason else v_slots.local_reason end) is not null then
    return;
  end if;

  loop
    select h.id, h.created_at, h.available_at, h.released_at, h.attempts, h.claimed_at, h.params, h.has_bounded_params
    into v_head
    from (
      select c.* from fairlane_core.queue_heads(p_user_id, p_pool, 'cloud', p_affinity) as c
      union all
      select l.* from fairlane_core.queue_heads(p_user_id, p_pool, 'local', p_affinity) as l where p_caller.user_id is not null
      union all
      select o.* from fairlane_core.own_gpu_queue(p_caller, p_pool, 1) as o
    ) as h
    order by
      -- What suits the caller, and a head that has waited too long, in queue order; then the rest. Every task
      -- eventually becomes head, so none waits for ever.
      (h.takes_slot and h.model <> p_affinity.model and h.created_at >= p_affinity.waited_since) is true,
      h.priority desc, h.created_at, h.id
    limit 1;

    if v_head.id is null then
      return;
    elsif fairlane_core.is_stale(greatest(v_head.created_at, v_head.available_at, v_head.released_at), v_head.attempts > 0 or v_head.claimed_at is not null, v_head.params)
      or v_is_behind and (
        select fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness) from fairlane.tasks as t where t.id = v_head.id
      ) then
      -- The queue has grown stale while it waited, or its types have changed: set a batch aside and try once more.
      if not has_written then
        perform fairlane_core.set_tasks_aside(p_caller, p_user_id, p_pool, v_is_behind);
        has_written := true;
        continue;
      end if;
      v_head.id := null;
    elsif not fairlane_core.fits_a_reply(v_head.has_bounded_params, v_head.params) then
      -- The caller ends this task after releasing the user's lock.
      raise sqlstate 'QU002' using message = v_head.id::text;
    end if;

    select t.id
    into task_id
    from fairlane.tasks as t
    where t.id = v_head.id
      and t.readiness = 'ready'
    for no key update skip locked;
    exit when task_id is not null;

    -- Somebody is changing that very task, or more than one batch has to be set aside: take the first task that is
    -- neither, and first one that suits a worker that requires it.
    foreach v_only_suited in array case when p_affinity.is_required then array[true, false] else array[false] end loop
      exit when task_id is not null;
      task_id := fairlane_core.lock_fresh_task(
        p_user_id, p_pool,
        case when p_caller.user_id is null then array['cloud'] else array['cloud', 'local'] end,
        case when v_slots.orchestrating < v_slots.orchestration_limit then array[true, false] else array[true] end,
        p_affinity, v_only_suited, v_is_behind
      );
    end loop;
    -- From other pools (fairlane_core.own_gpu_queue) the first such task, if it comes earlier.
    if p_caller.user_id is not null then
      v_before := (select t from fairlane.tasks as t where t.id = task_id);
      v_own_id := (
        select t.id
        from fairlane.tasks as t
        where t.id = any (array(
            select l.id
            from fairlane_core.own_gpu_queue(p_caller, p_pool, 1000) as l
            where (not v_is_behind or not fairlane_core.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.readiness))
              and not fairlane_core.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
              and fairlane_core.fits_a_reply(l.has_bounded_params, l.params)
              and (v_before.id is null or (-l.priority::bigint, l.created_at, l.id) < (-v_before.priority::bigint, v_before.created_at, v_before.id))
          ))
          and coalesce(t.readiness, '') = 'ready'
        order by t.priority desc, t.created_at, t.id
        limit 1
        for no key update skip locked
      );
      task_id := coalesce(v_own_id, task_id);
    end if;
    is_held := task_id is null and v_head.id is not null and not v_is_behind;
    exit;
  end loop;
end;
$$;

-- What a worker prefers to run: the model it has loaded. The time limit applies to every caller with a model, so that
-- no task waits for ever because others suit the workers better.
-- Returns the affinity of a worker that claims: its current model, null when none is known; a wait in minutes,
-- fairlane_core.settings.max_affinity_wait when null. Raises 409 WORKER_NOT_ELIGIBLE when somebody other than the
-- worker itself has set it to terminating, terminated or error.
create function fairlane_core.affinity_of(p_worker_id text, p_same_model_only boolean, p_max_task_wait_minutes numeric)
returns fairlane_core.affinity
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_worker fairlane.workers;
  v_affinity fairlane_core.affinity;
begin
  select w.* into v_worker from fairlane.workers as w where w.id = p_worker_id;

  -- Its own goodbye does not bind it: it has come back.
  if v_worker.status in ('terminating', 'terminated', 'error') and v_worker.goodbye_at is null then
    perform fairlane_core.refuse(
      409, 'WORKER_NOT_ELIGIBLE',
      pg_catalog.format(
        'Worker %s gets no tasks: its status is %s%s',
        p_worker_id, v_worker.status, coalesce(' (' || (v_worker.metadata ->> 'error_reason') || ')', '')
      ),
      case
        when fairlane_core.is_rented(v_worker) then 'Stop claiming; a replacement claims under an id of its own'
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
    v_affinity.waited_since := fairlane_core.now() - coalesce(
      make_interval(secs => (p_max_task_wait_minutes * 60)::double precision),
      (select s.max_affinity_wait from fairlane_core.settings as s)
    );
  end if;
  return v_affinity;
end;
$$;

-- The candidates for a user's next task: the head of the queue of this pool and run type, and with an affinity the
-- heads of both kinds and the first of that model and of no model; orchestration, of any model, only if the owner has a
-- free orchestration slot.
create function fairlane_core.queue_heads(p_user_id uuid, p_pool text, p_run_type text, p_affinity fairlane_core.affinity)
returns setof fairlane.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  -- Orchestration only if its owner has a free slot for it; else the queue goes on behind it.
  v_kinds boolean[] := (
    select case when s.orchestrating < s.orchestration_limit then array[true, false] else array[true] end
    from fairlane_core.user_slots as s
    where s.user_id = p_user_id
  );
begin
  -- Each query is one probe of an index in claim order.
  return query
  select h.*
  from unnest(v_kinds) as kind (takes_slot)
    cross join lateral (
      select t.*
      from fairlane.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = p_run_type
        and t.takes_slot = kind.takes_slot
        and t.readiness = 'ready'
      order by t.priority desc, t.created_at, t.id
      limit 1
    ) as h
  order by h.priority desc, h.created_at, h.id
  limit case when p_affinity.model is null then 1 end;

  if p_affinity.model is not null then
    return query
    select t.*
    from fairlane.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.takes_slot
      and t.readiness = 'ready'
      and t.model = p_affinity.model
    order by t.priority desc, t.created_at, t.id
    limit 1;

    return query
    select t.*
    from fairlane.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.takes_slot
      and t.readiness = 'ready'
      and t.model is null
    order by t.priority desc, t.created_at, t.id
    limit 1;
  end if;
end;
$$;

-- The first task of a user's queues that nobody holds and that is neither stale nor behind its type; used when the head
-- is not such a task. Reads the first thousand of each queue; then those created recently enough, priority by priority,
-- so that it does not read a hundred thousand stale tasks to find a fresh one. Behind a changed type it stops at the
-- thousand: the next claim sets the next batch aside. Call it under the user's lock.
-- Locks that task and returns its id; with p_is_behind not behind its type, and, if asked for, one that suits the
-- affinity. Behind the thousand it reads only what was created since fairlane_core.stale_before(), of up to a thousand
-- priorities, and nothing if the task has to suit or types have changed.
create function fairlane_core.lock_fresh_task(
  p_user_id uuid, p_pool text, p_run_types text[], p_kinds boolean[], p_affinity fairlane_core.affinity, p_only_suited boolean,
  p_is_behind boolean
)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most_priorities constant integer := 1000; -- create-task allows twice as many, the column more
  v_old_before timestamptz := fairlane_core.stale_before();
  v_look_at integer;
  v_candidate uuid;
  v_priority integer := 2147483647;
  v_task_id uuid;
begin
  foreach v_look_at in array array[10, 1000] loop
    for v_candidate in
      select c.id
      from unnest(p_run_types) as y (run_type)
        cross join unnest(p_kinds) as k (takes_slot)
        cross join lateral (
          select l.*
          from (
            select t.*
            from fairlane.tasks as t
            where t.user_id = p_user_id
              and t.pool = p_pool
              and t.run_type = y.run_type
              and t.takes_slot = k.takes_slot
              and t.readiness = 'ready'
            order by t.priority desc, t.created_at, t.id
            limit v_look_at
          ) as l
          where (
              not p_only_suited or not l.takes_slot or l.model is null
              or l.model = p_affinity.model or l.created_at < p_affinity.waited_since
            )
            and not fairlane_core.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
            and fairlane_core.fits_a_reply(l.has_bounded_params, l.params)
            and (not p_is_behind or not fairlane_core.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.readiness))
        ) as c
      order by c.priority desc, c.created_at, c.id
    loop
      select t.id into v_task_id from fairlane.tasks as t where t.id = v_candidate and t.readiness = 'ready' for no key update skip locked;
      if v_task_id is not null then
        return v_task_id;
      end if;
    end loop;
  end loop;

  -- A suiting task is preferred, but not searched for through everything else.
  for v_step in 1..case when p_only_suited or p_is_behind then 0 else v_most_priorities end loop
    select h.priority
    into v_priority
    from unnest(p_run_types) as y (run_type)
      cross join unnest(p_kinds) as k (takes_slot)
      cross join lateral (
        select t.priority
        from fairlane.tasks as t
        where t.user_id = p_user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.takes_slot = k.takes_slot
          and t.readiness = 'ready'
          and t.priority <= v_priority
        order by t.priority desc, t.created_at, t.id
        limit 1
      ) as h
    order by h.priority desc
    limit 1;
    exit when v_priority is null;

    select c.id
    into v_task_id
    from unnest(p_run_types) as y (run_type)
      cross join unnest(p_kinds) as k (takes_slot)
      cross join lateral (
        select t.id, t.created_at
        from fairlane.tasks as t
        where t.user_id = p_user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.takes_slot = k.takes_slot
          and t.readiness = 'ready'
          and t.priority = v_priority
          and t.created_at >= v_old_before
          and fairlane_core.fits_a_reply(t.has_bounded_params, t.params)
        order by t.created_at, t.id
        limit 1
        for no key update skip locked
      ) as c
    order by c.created_at, c.id
    limit 1;
    if v_task_id is not null or v_priority = -2147483648 then
      return v_task_id;
    end if;
    v_priority := v_priority - 1;
  end loop;
  return null;
end;
$$;

-- Derives again up to 100 of a user's ready tasks in the pool, and of those of other pools that this caller's claims
-- for it cover (fairlane_core.own_gpu_queue), that have grown stale or, with p_is_behind, whose type has changed: among
-- the first 100 of each queue, where they block claims; the rest of a long queue is not searched. Call it under the
-- user's lock.
create function fairlane_core.set_tasks_aside(p_caller fairlane_core.caller, p_user_id uuid, p_pool text, p_is_behind boolean)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 100;
  v_aside uuid[];
begin
  v_aside := array(
    select t.id
    from fairlane.tasks as t
    where t.id = any (array(
        select l.id
        from (
          select r.*
          from unnest(array['cloud', 'local']) as y (run_type)
            cross join unnest(array[true, false]) as k (takes_slot)
            cross join lateral (
              select h.*
              from fairlane.tasks as h
              where h.user_id = p_user_id
                and h.pool = p_pool
                and h.run_type = y.run_type
                and h.takes_slot = k.takes_slot
                and h.readiness = 'ready'
              order by h.priority desc, h.created_at, h.id
              limit v_most
            ) as r
          union all
          select o.* from fairlane_core.own_gpu_queue(p_caller, p_pool, v_most) as o
        ) as l
        where fairlane_core.is_stale(greatest(l.created_at, l.available_at, l.released_at), l.attempts > 0 or l.claimed_at is not null, l.params)
          or p_is_behind and fairlane_core.is_behind_its_type(l.task_type, l.pool, l.takes_slot, l.runs_on_own_gpu, l.readiness)
        limit v_most
      ))
      -- Not spelled as in the queue indexes: the planner might scan one of them for these few.
      and coalesce(t.readiness, '') = 'ready'
    order by t.id
    for no key update skip locked
  );

  if v_aside <> '{}' then
    update fairlane.tasks as t set pool = null where t.id = any (v_aside);
  end if;
end;
$$;
