-- May this task run now: the task's half of the one rule (docs/architecture.md); which pools exist, and which callers
-- serve whose tasks. The owner's half is in limits.sql.

-- The task's half of the one rule (docs/architecture.md): the readiness of a live task: active, ready, or why it waits
-- (no_owner, no_run_type, type_inactive, not_yet, dependency_pending, dependency_lost, stale); null for a finished one.
-- Reasons are tested in the order in which they are reported; reasons of the owner come between them and are in
-- fairlane_core.user_slots.
create function fairlane_core.task_readiness(p_task fairlane.tasks)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_is_active boolean;
begin
  if p_task.status = 'In Progress' then
    return 'active';
  elsif p_task.status <> 'Queued' then
    return null;
  elsif p_task.user_id is null then
    return 'no_owner';
  elsif p_task.run_type is null then
    return 'no_run_type';
  end if;

  select y.is_active into v_is_active
  from fairlane.task_types as y
  where y.name = p_task.task_type;

  if not v_is_active then
    return 'type_inactive';
  elsif p_task.available_at > fairlane_core.now() then
    return 'not_yet';
  end if;

  return coalesce(
    case when p_task.dependant_on is not null
      then fairlane_core.dependency_state(p_task.id, p_task.dependant_on, p_task.user_id)
    end,
    case when fairlane_core.is_stale(greatest(p_task.created_at, p_task.available_at, p_task.released_at), p_task.attempts > 0 or p_task.claimed_at is not null, p_task.params) then 'stale' end,
    'ready'
  );
end;
$$;

-- Whether a task's dependencies let it run. Only tasks of the same owner count: a dependency on somebody else's task
-- counts as missing. Callers make sure that no end is missed in between (tasks_after_insert, unblock_dependents).
-- Returns dependency_pending (one has not ended), dependency_lost (all have ended, but one failed, was cancelled or is
-- missing) or null (they allow it).
create function fairlane_core.dependency_state(p_task_id uuid, p_dependant_on uuid, p_user_id uuid)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_wanted uuid[];
  v_found integer := 0;
  v_complete integer := 0;
  v_lost integer := 0;
begin
  select array_agg(w.id)
  into v_wanted
  from (
    select d.depends_on as id from fairlane_core.task_dependencies as d where d.task_id = p_task_id
    union
    select p_dependant_on where p_dependant_on is not null
  ) as w;

  if v_wanted is null then
    return null;
  end if;

  select
    count(*),
    count(*) filter (where t.status = 'Complete'),
    count(*) filter (where t.status in ('Failed', 'Cancelled'))
  into v_found, v_complete, v_lost
  from fairlane.tasks as t
  where t.id = any (v_wanted)
    and t.user_id is not distinct from p_user_id;

  return case
    when v_complete + v_lost < v_found then 'dependency_pending'
    when v_complete < cardinality(v_wanted) then 'dependency_lost'
  end;
end;
$$;

-- Work that nobody started for a week (fairlane_core.settings.stale_after) should not start by surprise. Whether a
-- queued task that could have run since p_since is such work. p_since is the latest of created_at, available_at and
-- released_at (the end of its last dependency). A live parent (the orchestrator that enqueued it) keeps a task fresh. A
-- task that was handed out once counts as started, even if that attempt was uncounted.
create function fairlane_core.is_stale(p_since timestamptz, p_was_started boolean, p_params jsonb)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_parent_id uuid;
begin
  if p_was_started or p_since >= fairlane_core.stale_before() then
    return false;
  end if;

  v_parent_id := fairlane_core.parent_task_id(p_params);

  return v_parent_id is null or not exists (
    select from fairlane.tasks as t
    where t.id = v_parent_id
      and t.status in ('Queued', 'In Progress')
  );
end;
$$;

-- A task that could have run since before this time, and was never started, is stale:
-- fairlane_core.settings.stale_after ago, plus the time in which the queue stood still. Such time (the project was
-- paused, or its jobs and workers were away) makes nothing older: week-old work is not discarded in the first minute
-- after an outage. fairlane_core.watch_clock records how long that was (fairlane_core.clock_watch); this function also
-- sees a pause that has not been recorded yet.
create function fairlane_core.stale_before()
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_watch fairlane_core.clock_watch;
  v_before timestamptz := fairlane_core.now() - (select s.stale_after from fairlane_core.settings as s);
begin
  select w.* into v_watch from fairlane_core.clock_watch as w;
  if clock_timestamp() > v_watch.looked_at + v_watch.away_after then
    v_before := v_before - (clock_timestamp() - v_watch.looked_at);
  end if;
  if v_watch.away_until >= v_before then
    v_before := v_before - v_watch.away_for;
  end if;
  return v_before;
end;
$$;

-- Since when no dependency blocks a task: the end of the last one. Before that it could not have run, however long ago
-- it was enqueued.
create function fairlane_core.released_at(p_task_id uuid, p_dependant_on uuid, p_user_id uuid)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select max(t.generation_processed_at)
    from fairlane.tasks as t
    where t.id = any (array(select d.depends_on from fairlane_core.task_dependencies as d where d.task_id = p_task_id) || p_dependant_on)
      and t.user_id is not distinct from p_user_id
      and t.status = 'Complete'
  );
end;
$$;

-- Switching a type off, or changing its pool or kind, concerns all of its live tasks, however many. They are derived
-- again piece by piece (fairlane_core.deferred_work); until then every reader of one asks this. A running task keeps
-- what it was handed out as until it is requeued (fairlane_core.tasks_before_update).
create function fairlane_core.is_behind_its_type(
  p_task_type text, p_pool text, p_takes_slot boolean, p_runs_on_own_gpu boolean, p_readiness text
)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_type fairlane.task_types;
begin
  select y.* into v_type from fairlane.task_types as y where y.name = p_task_type;
  if p_readiness = 'active' then
    return p_takes_slot and not fairlane_core.takes_slot(p_task_type, v_type.category);
  end if;
  return p_pool is distinct from coalesce(v_type.run_type, 'gpu')
    or p_takes_slot is distinct from fairlane_core.takes_slot(p_task_type, v_type.category)
    or p_runs_on_own_gpu is distinct from coalesce(v_type.runs_on_own_gpu and v_type.run_type <> 'gpu', false)
    or (v_type.is_active is false) <> (p_readiness = 'type_inactive');
end;
$$;

-- A named pool must exist; the caller interprets null.
-- Raises 400 INVALID_ARGUMENT when there is no such pool.
create function fairlane_core.refuse_unknown_pool(p_pool text)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_pool <> all (fairlane_core.pools()) then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('The run_type must be one of %s, not %s', array_to_string(fairlane_core.pools(), ', '), p_pool)
    );
  end if;
end;
$$;

-- Which tasks a claim for a pool may take. GPU machines of a user also run some types of other pools, and name gpu; the
-- fleet's do not. A signed-in user is told what the own machine would do with local tasks (fairlane_core.reason_of).
-- Whether this caller's claims or counts for a pool cover a task of the owner's with this pool, mark
-- (tasks.runs_on_own_gpu) and run type. fairlane_core.own_gpu_queue returns those of other pools in order.
create function fairlane_core.is_served_by(
  p_caller fairlane_core.caller, p_pool text, p_task_pool text, p_runs_on_own_gpu boolean, p_run_type text
)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    p_task_pool = p_pool or (
      p_pool = 'gpu' and p_runs_on_own_gpu
        and (p_caller.kind = 'token' or (p_caller.kind = 'user' and p_run_type = 'local'))
    ), false
  );
end;
$$;
