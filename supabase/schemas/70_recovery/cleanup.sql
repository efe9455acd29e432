-- Cancels queued tasks that nobody started and nobody waits for, or that wait for what cannot come.

-- Cancels tasks that were never started and are too old, or that can never run (fairlane_core.tasks_to_cancel), up to
-- p_limit of each kind; returns {cancelled}. A dry run does the same and rolls it back, so it lists what would end,
-- including dependents: {cancelled: 0, due: [{task_id, created_at, status, reason}]}. Safe to repeat and to run in
-- parallel.
create function fairlane_core.cleanup(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- ends tasks for pg_cron and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_due uuid[] := array(select c.task_id from fairlane_core.tasks_to_cancel(p_limit) as c);
  v_last_event_id bigint;
  -- Its own actor in the history, to tell the events of this dry run from all others.
  v_rehearsal text;
  v_listed json;
begin
  if not p_dry_run then
    return json_build_object('cancelled', fairlane_core.cancel_due(v_due), 'dry_run', false);
  end if;

  v_last_event_id := (select max(e.id) from fairlane.task_events as e);
  v_rehearsal := 'fairlane_core.cleanup ' || pg_current_xact_id();
  begin
    perform fairlane_core.cancel_due(v_due, v_rehearsal);
    v_listed := (
      select json_agg(
        json_build_object('task_id', t.id, 'created_at', t.created_at, 'status', e.to_status, 'reason', e.reason) order by e.id
      )
      from fairlane.task_events as e
        cross join lateral (select k.id, k.created_at from fairlane.tasks as k where k.id = e.task_id offset 0) as t
      where e.id > coalesce(v_last_event_id, 0)
        and e.actor = v_rehearsal
    );
    raise sqlstate 'QU002' using message = 'This was a dry run; all of it is rolled back';
  exception when sqlstate 'QU002' then
    perform fairlane_core.set_event_context(null);
  end;
  return json_build_object('cancelled', 0, 'due', coalesce(v_listed, '[]'), 'dry_run', true);
end;
$$;

-- What the cleanup cancels: up to p_limit tasks that were never started and are too old; if those are fewer, also up to
-- p_limit that wait for what cannot come. Each has a reason (fairlane_core.reason_to_cancel).
create function fairlane_core.tasks_to_cancel(p_limit integer)
returns table (task_id uuid, created_at timestamptz, reason text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_old_before timestamptz := fairlane_core.stale_before();
  v_found integer;
begin
  return query
  select t.id, t.created_at, r.reason
  from fairlane.tasks as t
    cross join lateral (select fairlane_core.reason_to_cancel(t) as reason) as r
  where t.readiness in ('no_owner', 'no_run_type', 'type_inactive', 'stale')
    and t.created_at < v_old_before
    and r.reason is not null
  order by t.created_at
  limit p_limit;
  get diagnostics v_found = row_count;

  -- The index orders both kinds by age alone: reading all of the first kind for a few of the second is too much. They
  -- come next time.
  if v_found = p_limit then
    return;
  end if;
  return query
  select t.id, t.created_at, r.reason
  from fairlane.tasks as t
    cross join lateral (select fairlane_core.reason_to_cancel(t) as reason) as r
  where t.readiness = 'dependency_lost'
    and r.reason is not null
  order by t.created_at
  limit p_limit;
end;
$$;

-- Cancels those of these tasks that still have a reason (fairlane_core.reason_to_cancel), owner by owner, and returns
-- how many. Locked tasks, and all tasks of a locked owner, are left for the next run; tasks that were claimed, requeued
-- or given their missing dependency since are no longer due.
create function fairlane_core.cancel_due(p_task_ids uuid[], p_actor text default 'fairlane_core.cleanup')
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms' -- restored when the function ends; the effective value is set below
as $$
declare
  v_of_owner uuid[];
  v_held uuid[];
  v_count integer;
  v_total integer := 0;
begin
  perform fairlane_core.set_event_context(p_actor);
  perform fairlane_core.limit_lock_waits(0.4);
  for v_of_owner in
    select array_agg(t.id) from fairlane.tasks as t where t.id = any (p_task_ids) group by t.user_id order by t.user_id
  loop
    begin
      v_held := array(
        select t.id
        from fairlane.tasks as t
        where t.id = any (v_of_owner)
          and t.status = 'Queued'
        order by t.id
        for no key update skip locked
      );

      with due as materialized (
        select t.id, fairlane_core.reason_to_cancel(t) as reason
        from fairlane.tasks as t
        where t.id = any (v_held)
      )
      update fairlane.tasks as t
      set status = 'Cancelled', error_message = d.reason
      from due as d
      where t.id = d.id
        and d.reason is not null;
      get diagnostics v_count = row_count;
      v_total := v_total + v_count;
    exception when lock_not_available then
      perform set_config('lock_timeout', '1ms', true);
    end;
  end loop;
  perform fairlane_core.set_event_context(null);
  return v_total;
end;
$$;

-- Why the cleanup would cancel this task, null when it would not: not started for fairlane_core.settings.stale_after
-- since it could run, no live dependency (which otherwise decides, and takes the task with it), no live parent, no
-- fresh child and no fresh dependent, direct or indirect; or waiting longer than dependency_grace for a task that
-- cannot come. Checked for each task found, and again under the lock, because much can happen in between.
create function fairlane_core.reason_to_cancel(p_task fairlane.tasks)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
begin
  select s.* into v_settings from fairlane_core.settings as s;

  -- What waits for a lost task can never run, nor can its dependents.
  if p_task.readiness = 'dependency_lost' then
    return case when coalesce(p_task.updated_at, p_task.created_at) < v_now - v_settings.dependency_grace then
      'Cancelled by the cleanup: a task it waits for failed, was cancelled or does not exist'
    end;
  elsif p_task.readiness is null
    or p_task.readiness not in ('no_owner', 'no_run_type', 'type_inactive', 'stale')
    or p_task.claimed_at is not null
    or not fairlane_core.is_stale(greatest(p_task.created_at, p_task.available_at, p_task.released_at), p_task.attempts > 0 or p_task.claimed_at is not null, p_task.params)
    or exists (
      select
      from fairlane_core.task_dependencies as d
        join fairlane.tasks as x on x.id = d.depends_on
      where d.task_id = p_task.id
        and x.user_id is not distinct from p_task.user_id
        and x.status in ('Queued', 'In Progress')
    ) then
    return null;
  end if;

  -- What would be cancelled too: its dependents, its children, and so on. A started or fresh one among them keeps the
  -- task. Most tasks have none, which two index probes show.
  if (
    exists (select from fairlane_core.task_dependencies as d where d.depends_on = p_task.id)
    or exists (select from fairlane_core.subtasks as s where s.orchestrator_id = p_task.id)
  ) and exists (
    with recursive along (id) as (
      select p_task.id
      union
      select n.id
      from along as a
        join fairlane.tasks as q on q.id = a.id and q.status in ('Queued', 'In Progress')
        cross join lateral (
          select d.task_id as id from fairlane_core.task_dependencies as d where d.depends_on = q.id
          union all
          select s.task_id from fairlane_core.subtasks as s where s.orchestrator_id = q.id
        ) as n
    )
    select
    from along as a
      join fairlane.tasks as x on x.id = a.id
    where x.id <> p_task.id
      and x.user_id is not distinct from p_task.user_id
      and (
        x.status = 'In Progress'
        or x.status = 'Queued' and (
          x.attempts > 0
          or x.claimed_at is not null
          or greatest(x.created_at, x.available_at, x.released_at) >= fairlane_core.stale_before()
          or not fairlane_core.is_stale(greatest(x.created_at, x.available_at, x.released_at), x.attempts > 0 or x.claimed_at is not null, x.params)
          and fairlane_core.parent_task_id(x.params) not in (select o.id from along as o)
        )
      )
  ) then
    return null;
  end if;

  return pg_catalog.format('Cancelled by the cleanup: enqueued %s, never started (%s)', p_task.created_at, p_task.readiness);
end;
$$;
