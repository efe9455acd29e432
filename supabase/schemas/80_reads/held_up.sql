-- What stands in whose way: locks that are held, and what health answers meanwhile.

-- The answer of health while a table that it reads is locked: HELD_UP, and which session holds it; no jobs.
create function queue.health_while_locked(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- sees the sessions of others
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  perform queue.resolve_caller(p_caller, array['service']);
  return json_build_object(
    'version', queue.version(),
    'status', 'degraded',
    'reasons', (
      select coalesce(
        json_agg(json_build_object('code', 'HELD_UP', 'message', h.message) order by h.since),
        '[{"code": "HELD_UP", "message": "A table of the queue was locked a moment ago"}]'
      )
      from queue.held_up(pg_catalog.now(), interval '0') as h
    ),
    'notices', '[]'::json,
    'checked_at', pg_catalog.now(),
    'database_started_at', pg_postmaster_start_time(),
    'jobs', '[]'::json
  );
end;
$$;

-- Sessions that hold the queue up, each with words for an operator: whose transaction was begun longer than p_age
-- before p_now and has a table of the queue locked, or has rows of tasks or of owners locked (as far as can be seen:
-- who holds which rows is in no view), or for which sessions wait that use these tables. Asks nothing of those tables
-- themselves, which may be what is locked.
create function queue.held_up(p_now timestamptz, p_age interval)
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
        c.relnamespace = 'queue'::regnamespace
        or (c.relnamespace = 'public'::regnamespace and c.relname in (
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
  -- The first in each row of waits: who waits himself is no cause.
  causes as (
    select
      a.pid,
      a.xact_start,
      a.usename,
      a.application_name,
      a.state,
      a.state_change,
      -- The kind of its last statement and no more: values are in it.
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
          and l.relation in ('public.tasks'::regclass, 'queue.user_slots'::regclass)
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
