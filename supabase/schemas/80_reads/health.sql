-- The reply of health, even while somebody holds a table lock; who blocks whom; when a count needs a second look.

-- Whether the queue runs well: its jobs run, its counters agree. The state of the fleet is in worker_health, waiting
-- work in task_counts.
-- See fairlane.health.
create function fairlane_core.health(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settled_within constant interval := interval '5 minutes';
  v_noticed_for constant interval := interval '7 days';
  v_reasons json;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  select coalesce(json_agg(json_build_object('code', r.code, 'message', r.message)), '[]')
  into v_reasons
  from (
    select case when l.is_failing then 'JOB_FAILED' else 'JOB_LATE' end as code, l.message
    from fairlane_core.late_jobs() as l
    union all
    -- The rules of the queue are triggers: without them nothing is counted and nothing refused.
    select 'RESTORE_UNFINISHED', pg_catalog.format(
      '%s triggers of the queue are switched off; finish the restore with fairlane_core.rebuild()', count(*)
    )
    from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where p.pronamespace = 'fairlane_core'::regnamespace
      and t.tgenabled = 'D'
    having count(*) > 0
    union all
    select 'DRIFT', pg_catalog.format(
      'The counters of %s owners had drifted and were repaired at %s; please report it', r.result ->> 'repaired', r.ran_at
    )
    from fairlane_core.job_runs as r
    where r.job = 'reconcile'
      and (r.result ->> 'repaired')::integer > 0
    union all
    select 'ROW_MISSING', pg_catalog.format('There must always be %s, and it is gone: %s', m.row_name, m.hint)
    from fairlane_core.missing_rows() as m
    union all
    -- The job runs without result: its work fails each time, or somebody holds it. No job reports an error for that.
    select 'SETTLING_LATE', pg_catalog.format(
      '%s changes have not been carried out for more than %s minutes, the oldest (%s) since %s; select * from fairlane_core.deferred_work where since < %L',
      count(*), extract(minute from v_settled_within)::integer, (array_agg(w.kind order by w.since, w.id))[1], min(w.since),
      v_now - v_settled_within
    )
    from fairlane_core.deferred_work as w
    where w.since < v_now - v_settled_within
    having count(*) > 0
    union all
    select 'HELD_UP', h.message
    from fairlane_core.held_up(v_now, interval '10 seconds') as h
  ) as r;

  return json_build_object(
    'version', fairlane_core.version(),
    'status', case when json_array_length(v_reasons) = 0 then 'ok' else 'degraded' end,
    'reasons', v_reasons,
    'notices', (
      select coalesce(json_agg(json_build_object('code', n.code, 'message', n.message) order by n.code, n.message), '[]')
      from (
        select 'FIELD_NOT_USED' as code, pg_catalog.format(
          '%s gets %s, which %s not used (%s times since %s)',
          u.endpoint, string_agg(u.field, ', ' order by u.field), case when count(*) = 1 then 'is' else 'are' end,
          max(u.calls), min(u.first_at)
        ) as message
        from fairlane_core.unused_fields as u
        where u.last_at > v_now - v_noticed_for
        group by u.endpoint
        union all
        -- One reason, however many types.
        select 'UNKNOWN_TASK_TYPE', pg_catalog.format(
          'In the last week tasks were enqueued with %s types that have no row in task_types and so count as %s: %s%s. select fairlane.unknown_task_types() lists them; select fairlane.set_task_type(%L) says that this is right, with a second argument what it is instead',
          count(*),
          case
            when bool_and(fairlane_core.takes_slot(u.name, null)) then 'gpu work without a result record'
            when not bool_or(fairlane_core.takes_slot(u.name, null)) then 'gpu orchestration'
            else 'gpu work without a result record, or by their names as orchestration'
          end,
          array_to_string(
            (array_agg(pg_catalog.format('%s (%s, last at %s)', left(u.name, 60), u.task_count, u.last_seen_at) order by u.last_seen_at desc, u.name))[1:3],
            ', '
          ),
          case when count(*) > 3 then ', …' else '' end,
          (array_agg(u.name order by u.last_seen_at desc, u.name))[1]
        )
        from fairlane_core.unknown_types as u
        where u.last_seen_at > v_now - v_noticed_for
          and not exists (select from fairlane.task_types as y where y.name = u.name)
        having count(*) > 0
      ) as n
    ),
    'checked_at', coalesce(v_now, pg_catalog.now()), -- the clock is in a row that may be gone
    'database_started_at', pg_postmaster_start_time(),
    'jobs', (
      select coalesce(json_agg(json_build_object(
        'job', r.job,
        'period_seconds', extract(epoch from r.period),
        'ran_at', r.ran_at,
        'took_ms', round((extract(epoch from r.took) * 1000)::numeric, 1),
        'result', r.result,
        'failed_at', r.failed_at,
        'error', r.error
      ) order by r.job), '[]')
      from fairlane_core.job_runs as r
    )
  );
end;
$$;

-- When a number should not be acted on without a second look. Codes are stable (docs/errors.md).
-- Warnings about a count, as [{code, message}]: JUMP_FROM_ZERO, WORK_OLDER_THAN_A_DAY, ONE_OWNER, NO_WORKER_BEATING,
-- JOB_FAILED, JOB_LATE.
create function fairlane_core.count_warnings(p_pool text, p_load fairlane_core.load_summary, p_oldest timestamptz)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_sample record;
  v_arrivals integer;
begin
  select m.sampled_at, sum(m.claimable) as claimable, max(m.last_event_id) as last_event_id
  into v_sample
  from fairlane_core.minute_samples as m
  where m.sampled_at = (select max(x.sampled_at) from fairlane_core.minute_samples as x where x.sampled_at < v_now)
    and (p_pool is null or m.pool = p_pool)
  group by m.sampled_at;

  -- The tasks enqueued since explain that many.
  if v_sample.claimable = 0 then
    select count(*)
    into v_arrivals
    from (
      select
      from fairlane.task_events as e
        cross join lateral (select k.pool from fairlane.tasks as k where k.id = e.task_id offset 0) as t
      where e.id > v_sample.last_event_id
        and e.from_status is null
        and (p_pool is null or t.pool = p_pool)
      limit p_load.claimable
    ) as a;
  end if;

  return (
    select coalesce(json_agg(json_build_object('code', w.code, 'message', w.message)), '[]')
    from (
      select 'JUMP_FROM_ZERO' as code, pg_catalog.format(
        '%s tasks are claimable, a minute ago there were none: check what they are before renting for all of them', p_load.claimable
      ) as message
      where p_load.claimable >= 10
        and v_sample.claimable = 0
        and v_arrivals < p_load.claimable
      union all
      select 'WORK_OLDER_THAN_A_DAY', pg_catalog.format('The oldest claimable task could run since %s', p_oldest)
      where p_oldest < v_now - interval '1 day'
      union all
      select 'SETTLING', pg_catalog.format(
        'Since %s a change is being carried out for all tasks that it concerns; what it has not reached does not count as claimable',
        min(k.since)
      )
      from fairlane_core.deferred_work as k
      where k.task_type is not null
      having count(*) > 0
      union all
      select 'ONE_OWNER', pg_catalog.format('All %s claimable tasks belong to one user', p_load.claimable)
      where p_load.claimable >= 10
        and p_load.owners = 1
      union all
      select 'NO_WORKER_BEATING', 'There is gpu work and no worker has sent a heartbeat within the silence limit'
      where case
          when p_pool = 'gpu' then p_load.claimable
          when p_pool is null then fairlane_core.claimable_count(('service', null, null)::fairlane_core.caller, 'gpu')
        end > 0
        and not exists (
          select
          from fairlane.workers as k
          -- Last heartbeats, and those of machines that were sent away, bring no worker.
          where k.status <> 'terminating'
          and not fairlane_core.has_ended(k.status)
            -- Asked of few: while all are silent, this would be asked of each.
            and k.last_heartbeat > v_now - (select s.gpu_heartbeat_timeout from fairlane_core.settings as s)
            and fairlane_core.is_beating(k.last_heartbeat)
            and k.instance_type <> 'api'
        )
      union all
      -- One warning for all jobs: when pg_cron stands still, all of them do.
      select case when l.is_failing then 'JOB_FAILED' else 'JOB_LATE' end, string_agg(l.message, '; ' order by l.job)
      from fairlane_core.late_jobs() as l
      group by l.is_failing
    ) as w
  );
end;
$$;

-- Jobs that cannot be relied on now: they failed when they last ran, or have not run for two periods; with a message
-- for an operator.
create function fairlane_core.late_jobs()
returns table (job text, ran_at timestamptz, is_failing boolean, message text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select
    r.job, r.ran_at, coalesce(r.failed_at > coalesce(r.ran_at, '-infinity'), false),
    case
      when r.failed_at > coalesce(r.ran_at, '-infinity') then pg_catalog.format('Job %s fails since %s: %s', r.job, r.failed_at, r.error)
      else pg_catalog.format('Job %s last ran at %s: %s', r.job, coalesce(r.ran_at::text, '(never)'), fairlane_core.why_late(r.job))
    end
  from fairlane_core.job_runs as r
  where r.failed_at > coalesce(r.ran_at, '-infinity')
    or coalesce(r.ran_at, r.scheduled_at) < fairlane_core.now() - 2 * r.period;
end;
$$;

-- Why pg_cron may not have run this job, as far as it shows: not installed, paused, not scheduled or not running, with
-- the fix. Part of a sentence. The table may be missing, or not readable.
create function fairlane_core.why_late(p_job text)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_name constant text := 'fairlane-' || replace(p_job, '_', '-');
  v_is_active boolean;
begin
  if to_regclass('cron.job') is null then
    return 'pg_cron is not installed; docs/operations.md says how the jobs come back';
  end if;

  -- Dynamic SQL: without the table a function that names it would fail.
  execute 'select bool_or(j.active) from cron.job as j where j.jobname = $1' into v_is_active using v_name;
  return case
    when v_is_active then pg_catalog.format('%s is active in cron.job: is pg_cron running?', v_name)
    when not v_is_active then pg_catalog.format(
      'it is paused; it goes on with select cron.alter_job(jobid, active := true) from cron.job where jobname = %L', v_name
    )
    else pg_catalog.format(
      '%s is not in cron.job; it comes back with select cron.schedule(%L, %L, %L)',
      v_name, v_name,
      case
        when (select r.period from fairlane_core.job_runs as r where r.job = p_job) <= interval '1 minute' then '* * * * *'
        when (select r.period from fairlane_core.job_runs as r where r.job = p_job) < interval '1 hour' then '*/10 * * * *'
        else '17 * * * *'
      end,
      pg_catalog.format('select fairlane_core.run_job(%L)', p_job)
    )
  end;
exception
  when insufficient_privilege then
    return 'is pg_cron running?';
end;
$$;

-- The reply of health while a table that it reads is locked: HELD_UP, and which session holds it; no jobs.
create function fairlane_core.health_while_locked(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- sees the sessions of others
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);
  return json_build_object(
    'version', fairlane_core.version(),
    'status', 'degraded',
    'reasons', (
      select coalesce(
        json_agg(json_build_object('code', 'HELD_UP', 'message', h.message) order by h.since),
        '[{"code": "HELD_UP", "message": "A table of the queue was locked a moment ago"}]'
      )
      from fairlane_core.held_up(pg_catalog.now(), interval '0') as h
    ),
    'notices', '[]'::json,
    'checked_at', pg_catalog.now(),
    'database_started_at', pg_postmaster_start_time(),
    'jobs', '[]'::json
  );
end;
$$;

-- Sessions that block the queue, each with a message for an operator: their transaction began more than p_age before
-- p_now and has locked a table of the queue, or rows of tasks or of owners (as far as visible: no view shows who holds
-- which rows), or sessions that use these tables wait for it. Reads none of those tables, which may be what is locked.
create function fairlane_core.held_up(p_now timestamptz, p_age interval)
returns table (pid integer, since timestamptz, message text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  with used as materialized (
    select c.oid
    from pg_catalog.pg_class as c
    where c.relkind = 'r'
      and (
        c.relnamespace = 'fairlane_core'::regnamespace
        or (c.relnamespace = 'fairlane'::regnamespace and c.relname in (
          'users', 'projects', 'task_types', 'tasks', 'workers', 'generations', 'task_events', 'system_logs', 'user_api_tokens'
        ))
      )
  ),
  locks as materialized (
    select l.pid, l.granted, l.relation, l.mode
    from pg_catalog.pg_locks as l
      join used as u on u.oid = l.relation
    where l.locktype = 'relation'
      and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
  ),
  waiting as materialized (
    select a.pid, pg_catalog.pg_blocking_pids(a.pid) as blockers
    from pg_catalog.pg_stat_activity as a
    where a.wait_event_type = 'Lock'
      and a.pid in (select l.pid from locks as l)
  ),
  -- The first in each chain of waits: a session that waits itself is no cause.
  causes as (
    select
      a.pid,
      a.xact_start,
      a.usename,
      a.application_name,
      a.state,
      a.state_change,
      -- Only the kind of its last statement: the text contains values.
      upper((regexp_match(a.query, '^\s*([A-Za-z]+)'))[1]) as command,
      (
        select string_agg(distinct l.relation::regclass::text, ', ')
        from locks as l
        where l.pid = a.pid
          and l.granted
          and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      ) as locked_tables,
      exists (
        select
        from locks as l
        where l.pid = a.pid
          and l.granted
          and l.mode in ('RowShareLock', 'RowExclusiveLock')
          and l.relation in ('fairlane.tasks'::regclass, 'fairlane_core.user_slots'::regclass)
      ) as has_rows,
      (select count(*) from waiting as w where a.pid = any (w.blockers)) as waiting_count
    from pg_catalog.pg_stat_activity as a
    where a.datname = current_database()
      and a.pid <> pg_backend_pid()
      and a.pid not in (select w.pid from waiting as w)
      and a.xact_start < p_now - p_age
  )
  select
    c.pid,
    c.xact_start,
    pg_catalog.format(
      'Session %s (user %s, application %s, %s since %s, last statement: %s) has had a transaction open since %s that holds %s; %s wait for it. Work of the owners it holds is passed over. To end it: select pg_terminate_backend(%s)',
      c.pid, c.usename, coalesce(nullif(c.application_name, ''), 'unnamed'), coalesce(c.state, 'state unknown'), c.state_change,
      coalesce(c.command, 'unknown'), c.xact_start,
      coalesce('the tables ' || c.locked_tables, case when c.has_rows then 'rows of tasks or owners' else 'what others wait for' end),
      c.waiting_count, c.pid
    )
  from causes as c
  where c.locked_tables is not null
    or c.has_rows
    or c.waiting_count > 0
  order by c.xact_start;
end;
$$;
