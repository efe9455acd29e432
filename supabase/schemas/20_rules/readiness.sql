-- May this task run now: the task's half of the one rule (docs/architecture.md); which pools there are, and who comes
-- to whose tasks. The owner's half is in limits.sql.

-- The task's half of the one rule (docs/architecture.md): where a live task stands: active, ready, or why it waits
-- (no_owner, no_run_type, type_inactive, not_yet, dependency_pending, dependency_lost, stale); null for a finished one.
-- The reasons are asked in the order in which they are reported; reasons of the owner stand between them and are in
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

-- Whether a task's dependencies let it run. Only tasks of the same owner count as there: to depend on somebody
-- else's task is to depend on a missing one. Who calls this makes sure that no end is missed in between
-- (tasks_after_insert, unblock_dependents).
-- dependency_pending (one is still to end), dependency_lost (all ended, but one failed, was cancelled or is missing) or
-- null (none in the way).
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

-- Work that nobody started for a week (fairlane_core.settings.stale_after) is not started by surprise: whether a queued task
-- that could run since p_since is such. p_since is when it could first run: the latest of created_at, available_at (its
-- own time) and released_at (the end of what it waited for). A live parent (the orchestrator that enqueued it) keeps a
-- task fresh. Handed out once is started, also when that start was taken off again.
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

-- What could have run since before this, and was never started, is stale: fairlane_core.settings.stale_after ago, and as much
-- longer as the queue stood still meanwhile. Time in which it did (the project was paused, or its jobs and workers were
-- away) makes nothing older: work of a week ago is not thrown away at the first minute after an outage.
-- fairlane_core.watch_clock remembers how long that was (fairlane_core.clock_watch); here it is seen also before the first look after
-- it.
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

-- Since when nothing that a task waits for holds it back: the end of the last of them. Before that it could not have run,
-- however long ago it was enqueued.
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

-- A type that is switched off or changes its pool or kind concerns all of its live tasks, however many. They are derived
-- again piece by piece (fairlane_core.deferred_work); until then whoever looks at one asks this. A task that runs keeps what it was
-- handed out as until it goes back (fairlane_core.tasks_before_update).
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

-- Whoever names a pool names one that is there; null is for the caller to read.
-- Raises 400 INVALID_ARGUMENT when this is no pool of work.
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

-- Which tasks a claim for a pool comes to. GPU machines of a user run some types of other pools as well, and name gpu; the
-- fleet's do not. In person a user is told of local tasks what the own machine makes of them (fairlane_core.reason_of).
-- Whether this caller's claims or counts for a pool are about a task of the owner's with this pool, mark
-- (tasks.runs_on_own_gpu) and run type. fairlane_core.own_gpu_queue has those of other pools in order.
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
