-- The state of the fleet: who is silent, and whether renting more makes sense.

-- What an orchestrator should know before it rents another machine.
-- See fairlane.worker_health.
create function fairlane_core.worker_health(p_caller jsonb, p_window_minutes numeric)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service']);
  v_now timestamptz := fairlane_core.now();
  v_minutes numeric := coalesce(p_window_minutes, 30);
  v_window interval;
  v_failures json;
  v_workers json;
  v_by_health json;
  v_per_worker integer := (select s.gpu_tasks_per_worker from fairlane_core.settings as s);
  v_free integer;
  v_room bigint;
  v_claimable integer := fairlane_core.claimable_count(v_caller, 'gpu');
  v_code text;
begin
  if v_minutes not between 1 and 1440 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The window must be 1 to 1440 minutes, not %s', v_minutes));
  end if;
  v_window := make_interval(secs => (v_minutes * 60)::double precision);
  v_failures := fairlane_core.worker_failures(v_now - v_window);

  with state as materialized (
    select * from fairlane_core.worker_states(v_window)
  )
  select
    (
      select coalesce(
        json_agg(
          json_build_object(
            'worker_id', s.worker_id, 'instance_type', s.instance_type, 'status', s.status, 'health', s.health,
            'reason', s.reason, 'last_heartbeat', s.last_heartbeat, 'last_log_at', s.last_log_at,
            'has_claimed', s.has_claimed, 'last_refusal_at', s.last_refusal_at, 'tasks_held', s.tasks_held,
            'current_task_id', s.current_task_id, 'task_started_at', s.task_started_at, 'task_quiet_since', s.task_quiet_since
          )
          order by s.health = 'healthy', s.worker_id
        ), '[]'
      )
      from (select x.* from state as x order by x.health = 'healthy', x.worker_id limit 1000) as s
    ),
    (select coalesce(json_object_agg(g.health, g.workers), '{}') from (select s.health, count(*) as workers from state as s group by 1) as g),
    u.free,
    u.room
  into v_workers, v_by_health, v_free, v_room
  from (
    -- Who may claim, and how many tasks more. An orchestrator that only waits for its children keeps no worker busy; a
    -- task that others ended does until the worker lets go of it.
    select
      count(*) filter (where h.busy < coalesce(v_per_worker, h.busy + 1)) as free,
      sum(case when v_per_worker is null then v_claimable else greatest(v_per_worker - h.busy, 0) end) as room
    from state as s
      cross join lateral (
        select (
          select count(*)
          from fairlane.tasks as t
          where s.tasks_held > 0
            and t.worker_id = s.worker_id
            and t.status = 'In Progress'
            and t.token_id is null
            and not fairlane_core.is_waiting_for_children(t)
        ) + (
          select count(*)
          from fairlane_core.held_slots as e
          where e.worker_id = s.worker_id
            and e.token_id is null
            and e.let_go_at is null
        ) as busy
      ) as h
    where s.health in ('healthy', 'silent', 'never_claimed', 'starting')
      and s.instance_type <> 'api'
  ) as u;

  v_code := case
    when v_claimable = 0 then 'NOTHING_CLAIMABLE'
    when (v_failures ->> 'workers_failed')::integer >= 3
      and (v_failures ->> 'failure_rate')::numeric >= (select s.max_failure_rate from fairlane_core.settings as s) then 'WORKERS_FAIL'
    when v_room >= v_claimable then 'ENOUGH_WORKERS'
    else 'MORE_WORK_THAN_WORKERS'
  end;

  return json_build_object(
    'window_minutes', v_minutes,
    'by_health', v_by_health,
    'workers', v_workers,
    'failures', v_failures,
    'spawning', json_build_object(
      'makes_sense', v_code = 'MORE_WORK_THAN_WORKERS',
      'code', v_code,
      'message', case v_code
        when 'NOTHING_CLAIMABLE' then 'No gpu task could be claimed; task-counts says under blocked what waits for what'
        when 'WORKERS_FAIL' then pg_catalog.format(
          '%s of %s workers failed within the window, most often: %s. Find out why before renting more',
          v_failures ->> 'workers_failed', v_failures ->> 'workers_seen', v_failures #>> '{reasons,0,reason}'
        )
        when 'ENOUGH_WORKERS' then pg_catalog.format('%s workers are free or starting, with room for the %s claimable tasks', v_free, v_claimable)
        else pg_catalog.format('%s gpu tasks are claimable and %s workers are free or starting', v_claimable, v_free)
      end,
      'claimable', v_claimable,
      'free_workers', v_free
    ),
    'snapshot_at', v_now
  );
end;
$$;

-- When a call or a log line last said something new about a running task: when it was handed out or last named by one
-- of them (a heartbeat only shows that its worker lives), or, if its lines have been the same for longer than p_limit,
-- since when they are: a worker that hangs may repeat a line, which shows no more than a heartbeat. Only an attempt
-- that has run for longer than p_limit is checked, and only its last thousand lines: normally the second line already
-- differs.
create function fairlane_core.last_news(p_task fairlane.tasks, p_limit interval, p_now timestamptz)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_lines constant integer := 1000;
  v_word timestamptz := greatest(p_task.claimed_at, p_task.generation_started_at, p_task.delivered_at, p_task.reported_at);
  v_id constant text := p_task.id::text;
  v_text text;
  v_other timestamptz;
  v_first timestamptz;
begin
  if coalesce(p_task.claimed_at >= p_now - p_limit, true) or v_word < p_now - p_limit then
    return v_word;
  end if;

  select g.message
  into v_text
  from fairlane.system_logs as g
  where g.task_id = v_id
    and g."timestamp" >= p_now - p_limit
  order by g.task_id desc, g."timestamp" desc
  limit 1;
  if v_text is null then
    return v_word;
  end if;

  select l.at
  into v_other
  from (
    select g."timestamp" as at, g.message
    from fairlane.system_logs as g
    where g.task_id = v_id
      and g."timestamp" >= p_task.claimed_at
    order by g.task_id desc, g."timestamp" desc
    limit v_lines
  ) as l
  where l.message <> v_text
  limit 1;
  if v_other >= p_now - p_limit then
    return v_word;
  end if;

  -- It was new when it was first logged.
  select min(l.at)
  into v_first
  from (
    select g."timestamp" as at
    from fairlane.system_logs as g
    where g.task_id = v_id
      and g."timestamp" >= p_task.claimed_at
    order by g.task_id desc, g."timestamp" desc
    limit v_lines
  ) as l
  where l.at > coalesce(v_other, '-infinity');
  return case when v_first < p_now - p_limit then v_first else v_word end;
end;
$$;

-- Whether an attempt runs much longer than usual: overlong_factor times what nine of ten tasks of its type take, or
-- overlong_after if too few have completed; never before stuck_after. It is only flagged: its timeout ends it.
create function fairlane_core.is_overlong(p_task fairlane.tasks, p_settings fairlane_core.settings, p_now timestamptz)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if coalesce(p_task.claimed_at >= p_now - p_settings.stuck_after, true) then
    return false;
  end if;
  return p_task.claimed_at < p_now - coalesce(
    (
      select d.usual * p_settings.overlong_factor::double precision
      from fairlane_core.type_durations as d
      where d.task_type = p_task.task_type
        and cardinality(d.durations) >= 5 -- fewer do not show what is usual
    ),
    p_settings.overlong_after
  );
end;
$$;
