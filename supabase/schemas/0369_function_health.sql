-- Whether the queue looks after itself: its jobs run, its counters agree. What the fleet does is in worker_health, what
-- waits in task_counts.
create function queue.health(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := queue.now();
  v_settled_within constant interval := interval '5 minutes';
  v_noticed_for constant interval := interval '7 days';
  v_reasons json;
begin
  perform queue.resolve_caller(p_caller, array['service']);

  select coalesce(json_agg(json_build_object('code', r.code, 'message', r.message)), '[]')
  into v_reasons
  from (
    select case when l.is_failing then 'JOB_FAILED' else 'JOB_LATE' end as code, l.message
    from queue.late_jobs() as l
    union all
    -- The rules of the queue are triggers: without them nothing is counted and nothing refused.
    select 'RESTORE_UNFINISHED', pg_catalog.format(
      '%s triggers of the queue are switched off; finish the restore with queue.rebuild()', count(*)
    )
    from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where p.pronamespace = 'queue'::regnamespace
      and t.tgenabled = 'D'
    having count(*) > 0
    union all
    select 'DRIFT', pg_catalog.format(
      'The counters of %s owners had drifted and were mended at %s; please report it', r.result ->> 'mended', r.ran_at
    )
    from queue.job_runs as r
    where r.job = 'reconcile'
      and (r.result ->> 'mended')::integer > 0
    union all
    select 'ROW_MISSING', pg_catalog.format('There must always be %s, and it is gone: %s', m.row_name, m.remedy)
    from queue.missing_rows() as m
    union all
    -- The job runs and does not get through: what it does fails each time, or somebody holds it. It is nobody's error.
    select 'SETTLING_LATE', pg_catalog.format(
      '%s changes have not been carried out for more than %s minutes, the oldest (%s) since %s; select * from queue.deferred_work where since < %L',
      count(*), extract(minute from v_settled_within)::integer, (array_agg(w.kind order by w.since, w.id))[1], min(w.since),
      v_now - v_settled_within
    )
    from queue.deferred_work as w
    where w.since < v_now - v_settled_within
    having count(*) > 0
    union all
    select 'HELD_UP', h.message
    from queue.held_up(v_now, interval '10 seconds') as h
  ) as r;

  return json_build_object(
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
        from queue.unused_fields as u
        where u.last_at > v_now - v_noticed_for
        group by u.endpoint
        union all
        -- One line, however many types.
        select 'UNKNOWN_TASK_TYPE', pg_catalog.format(
          'In the last week tasks were enqueued with %s types that have no row in task_types and so count as %s: %s%s. select public.unknown_task_types() lists them; select public.set_task_type(%L) says that this is right, with a second argument what it is instead',
          count(*),
          case
            when bool_and(queue.takes_slot(u.name, null)) then 'gpu work without a result record'
            when not bool_or(queue.takes_slot(u.name, null)) then 'gpu orchestration'
            else 'gpu work without a result record, or by their names as orchestration'
          end,
          array_to_string(
            (array_agg(pg_catalog.format('%s (%s, last at %s)', left(u.name, 60), u.task_count, u.last_seen_at) order by u.last_seen_at desc, u.name))[1:3],
            ', '
          ),
          case when count(*) > 3 then ', …' else '' end,
          (array_agg(u.name order by u.last_seen_at desc, u.name))[1]
        )
        from queue.unknown_types as u
        where u.last_seen_at > v_now - v_noticed_for
          and not exists (select from public.task_types as y where y.name = u.name)
        having count(*) > 0
      ) as n
    ),
    'checked_at', coalesce(v_now, pg_catalog.now()), -- the clock is in a row that may be gone
    'database_started_at', pg_postmaster_start_time(),
    'jobs', (
      select json_agg(json_build_object(
        'job', r.job,
        'period_seconds', extract(epoch from r.period),
        'ran_at', r.ran_at,
        'took_ms', round((extract(epoch from r.took) * 1000)::numeric, 1),
        'result', r.result,
        'failed_at', r.failed_at,
        'error', r.error
      ) order by r.job)
      from queue.job_runs as r
    )
  );
end;
$$;

comment on function queue.health(jsonb) is 'See public.health.';

revoke all on function queue.health(jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.health(jsonb) to service_role;
