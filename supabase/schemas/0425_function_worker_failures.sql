-- Which workers failed within a window, why, and what they took down with them.
create function queue.worker_failures(p_since timestamptz)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_seen integer;
  v_failed integer;
  v_first_event bigint;
begin
  select count(*), count(*) filter (where w.failed_at >= p_since)
  into v_seen, v_failed
  from public.workers as w
  where greatest(w.created_at, w.last_heartbeat, w.failed_at) >= p_since
    -- They are not rented, and never beat.
    and w.instance_type <> 'api';

  -- The history has no index over time; the samples know which event came when.
  select greatest(
    coalesce((select max(m.last_event_id) from queue.minute_samples as m where m.sampled_at <= p_since), 0),
    (select max(e.id) from public.task_events as e) - 100000
  )
  into v_first_event;

  return (
    with failed as (
      select
        w.id, w.status, w.failed_at, coalesce(w.metadata ->> 'error_reason', 'no reason recorded') as reason
      from public.workers as w
      where w.failed_at >= p_since
        and w.instance_type <> 'api'
    ), taken_down as (
      -- What was put back or failed, and what nobody has put back yet.
      select distinct on (d.worker_id, d.task_id) d.worker_id, d.task_id, d.outcome
      from (
        select e.worker_id, e.task_id, case e.to_status when 'Queued' then 'put_back' else 'failed' end as outcome, e.id as at
        from public.task_events as e
        where e.id > v_first_event
          and e.at >= p_since
          and e.from_status = 'In Progress'
          and e.to_status in ('Queued', 'Failed')
        union all
        select t.worker_id, t.id, 'still_held', null
        from failed as f
          join public.tasks as t on t.worker_id = f.id
        where t.status = 'In Progress'
          and t.token_id is null
      ) as d
        join failed as f on f.id = d.worker_id
      order by d.worker_id, d.task_id, d.at desc nulls first
    )
    select json_build_object(
      'workers_seen', v_seen,
      'workers_failed', v_failed,
      'failure_rate', round(v_failed / nullif(v_seen, 0)::numeric, 3),
      'reasons', (
        select coalesce(json_agg(json_build_object('reason', r.reason, 'workers', r.workers) order by r.workers desc, r.reason), '[]')
        from (
          -- Ages and ids in it would make every reason its own.
          select regexp_replace(left(replace(f.reason, f.id, 'N'), 200), '\d+(\.\d+)?', 'N', 'g') as reason, count(*) as workers
          from failed as f
          group by 1
          order by 2 desc, 1
          limit 20
        ) as r
      ),
      'failed_workers', (
        select coalesce(
          json_agg(
            json_build_object(
              'worker_id', f.id, 'status', f.status, 'failed_at', f.failed_at, 'reason', f.reason,
              'tasks', (
                select coalesce(
                  json_agg(json_build_object('task_id', d.task_id, 'task_type', t.task_type, 'outcome', d.outcome) order by d.task_id), '[]'
                )
                from taken_down as d
                  left join public.tasks as t on t.id = d.task_id
                where d.worker_id = f.id
              )
            )
            order by f.failed_at desc, f.id
          ), '[]'
        )
        from (select x.* from failed as x order by x.failed_at desc, x.id limit 100) as f
      )
    )
  );
end;
$$;

comment on function queue.worker_failures(timestamptz) is
  'Failures since then: {workers_seen, workers_failed, failure_rate, reasons: [{reason, workers}], failed_workers: [{worker_id, status, failed_at, reason, tasks: [{task_id, task_type, outcome}]}]}. Tasks from at most the last 100000 events.';

revoke all on function queue.worker_failures(timestamptz) from public, anon, authenticated, service_role;
