-- The queue and the fleet in one row of numbers, from counters where there are any.
create function queue.fleet_summary()
returns table (
  queued_tasks bigint,
  running_tasks bigint,
  completed_tasks bigint,
  failed_tasks bigint,
  inactive_workers bigint,
  active_workers bigint,
  terminated_workers bigint,
  external_workers bigint,
  stale_workers bigint,
  stuck_tasks bigint,
  snapshot_time timestamptz
)
language plpgsql
stable
security definer -- reads the derived state by the queue's clock
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings := (select s from queue.settings as s);
begin
  return query
  select
    (
      select coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration + l.ready_local + l.ready_local_orchestration), 0)::bigint
      from queue.user_lines as l
    ) + (select coalesce(sum(b.task_count), 0)::bigint from queue.blocked_tasks as b),
    r.running,
    queue.ended_total('Complete'),
    queue.ended_total('Failed'),
    w.inactive, w.active, w.terminated, w.external, w.stale,
    r.stuck,
    v_now
  from (
    select
      count(*) as running,
      count(*) filter (where t.takes_slot and queue.last_news(t, v_settings.quiet_task_limit, v_now) < v_now - v_settings.quiet_task_limit) as stuck
    from public.tasks as t
    where t.status = 'In Progress'
  ) as r
    cross join (
      select
        count(*) filter (where k.status in ('inactive', 'spawning')) as inactive,
        count(*) filter (where k.status = 'active') as active,
        count(*) filter (where k.status = 'terminated') as terminated,
        count(*) filter (where k.instance_type = 'external' and k.status not in ('terminated', 'error', 'crashed')) as external,
        count(*) filter (
          where k.status = 'active' and not queue.is_beating(coalesce(k.last_heartbeat, k.created_at))
        ) as stale
      from public.workers as k
    ) as w;
end;
$$;

comment on function queue.fleet_summary() is 'See public.orchestrator_status.';

revoke all on function queue.fleet_summary() from public, anon, authenticated, service_role;
grant execute on function queue.fleet_summary() to service_role;
