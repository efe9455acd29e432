-- Counts and views under the names that deployed orchestrators and autoscalers read.

-- What the fleet's scripts mean by cloud and local: not a pool, but where tasks run. Cloud is what machines of the
-- fleet may claim and hold; local what only their owners' own machines may claim and hold.
-- The reply of fairlane.func_get_task_counts for cloud or local: {totals, global_task_breakdown, users, recent_tasks}
-- and the sums, of tasks that run or may run there only. At most 100 users.
create function fairlane_core.counts_of_place(p_place text, p_include_active boolean)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_counts jsonb := fairlane_core.task_counts('{"kind": "service"}', null, p_include_active);
  v_claimable integer;
  v_active integer;
  v_orchestrators integer;
  v_users jsonb;
  v_total integer;
begin
  if p_place = 'cloud' then
    v_users := v_counts -> 'users';
    v_claimable := (v_counts #>> '{totals,queued_only}')::integer;
    v_active := (v_counts #>> '{totals,active_only}')::integer;
    v_orchestrators := (v_counts #>> '{global_task_breakdown,orchestrator_tasks}')::integer;
  else
    with owner as (
      select
        l.user_id, s.running, s.task_limit,
        sum(l.active_local)::integer as active,
        sum(l.active_local_orchestration)::integer as orchestrating,
        case
          when coalesce(s.local_reason, 'user_at_limit') <> 'user_at_limit' then 0
          else greatest(least(sum(l.ready_local), s.task_limit - s.running), 0)
            + case
              when s.local_reason is null
                then least(sum(l.ready_local_orchestration), greatest(s.orchestration_limit - s.orchestrating, 0))
              else 0
            end
        end::integer as claimable
      from fairlane_core.user_queues as l
        join fairlane_core.user_slots as s on s.user_id = l.user_id
      where l.ready_local + l.ready_local_orchestration + l.active_local + l.active_local_orchestration > 0
      group by l.user_id, s.running, s.task_limit, s.local_reason, s.orchestrating, s.orchestration_limit
    )
    select
      coalesce(sum(o.claimable), 0), coalesce(sum(o.active), 0), coalesce(sum(o.orchestrating), 0),
      coalesce(
        jsonb_agg(
          jsonb_build_object(
            'user_id', o.user_id, 'queued_tasks', o.claimable, 'in_progress_tasks', o.active,
            'at_limit', o.running >= o.task_limit
          )
          order by o.user_id
        ) filter (where o.place <= 100), '[]'
      )
    into v_claimable, v_active, v_orchestrators, v_users
    from (select w.*, row_number() over (order by w.user_id) as place from owner as w) as o;
  end if;

  v_total := v_claimable + case when p_include_active then v_active else 0 end;
  return v_counts - '{blocked,oldest_claimable_age_seconds,users_total,queued_tasks,active_tasks,suggested_workers}'::text[]
    || jsonb_build_object(
      'totals', jsonb_build_object(
        'queued_only', v_claimable, 'eligible_queued', v_claimable, 'active_only', v_active, 'queued_plus_active', v_total
      ),
      'count', v_total,
      'available_tasks', v_total,
      'queued_plus_active', v_total,
      'global_task_breakdown', jsonb_build_object(
        'in_progress_total', v_active + v_orchestrators,
        'in_progress_cloud', case p_place when 'cloud' then v_active + v_orchestrators else 0 end,
        'in_progress_local', case p_place when 'local' then v_active + v_orchestrators else 0 end,
        'orchestrator_tasks', v_orchestrators
      ),
      'users', v_users,
      'recent_tasks', (
        select coalesce(jsonb_agg(r.task), '[]')
        from jsonb_array_elements(v_counts -> 'recent_tasks') as r (task)
        where (r.task ->> 'is_cloud')::boolean = (p_place = 'cloud')
      )
    );
end;
$$;

-- The workers that have not ended, as dashboards read them.
create view fairlane.active_workers_health
with (security_invoker = true)
as
select
  s.worker_id as id,
  s.instance_type,
  s.status,
  s.health as health_status,
  s.created_at,
  s.last_heartbeat,
  s.heartbeat_age_seconds,
  s.metadata -> 'vram_total_mb' as vram_total_mb,
  s.metadata -> 'vram_used_mb' as vram_used_mb,
  s.metadata -> 'vram_timestamp' as vram_timestamp,
  s.current_task_id,
  s.current_task_type,
  s.task_runtime_seconds,
  s.tasks_held,
  s.current_model
from fairlane_core.worker_states(interval '30 minutes') as s
where s.status not in ('terminated', 'error', 'crashed');

comment on view fairlane.active_workers_health is
  'One row per worker that has not ended, with its health (see fairlane_core.worker_states) and what it runs. service_role only.';

-- The queue and the fleet in one row of numbers, from counters where they exist.
-- See fairlane.orchestrator_status.
create function fairlane_core.fleet_summary()
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
security definer -- reads the derived state with the queue's clock
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings := (select s from fairlane_core.settings as s);
begin
  return query
  select
    (
      select coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration + l.ready_local + l.ready_local_orchestration), 0)::bigint
      from fairlane_core.user_queues as l
    ) + (select coalesce(sum(b.task_count), 0)::bigint from fairlane_core.blocked_tasks as b),
    r.running,
    fairlane_core.ended_total('Complete'),
    fairlane_core.ended_total('Failed'),
    w.inactive, w.active, w.terminated, w.external, w.stale,
    r.stuck,
    v_now
  from (
    select
      count(*) as running,
      count(*) filter (where t.takes_slot and fairlane_core.last_news(t, v_settings.stuck_after, v_now) < v_now - v_settings.stuck_after) as stuck
    from fairlane.tasks as t
    where t.status = 'In Progress'
  ) as r
    cross join (
      select
        count(*) filter (where k.status in ('inactive', 'spawning')) as inactive,
        count(*) filter (where k.status = 'active') as active,
        count(*) filter (where k.status = 'terminated') as terminated,
        count(*) filter (where k.instance_type = 'external' and k.status not in ('terminated', 'error', 'crashed')) as external,
        count(*) filter (
          where k.status = 'active' and not fairlane_core.is_beating(coalesce(k.last_heartbeat, k.created_at))
        ) as stale
      from fairlane.workers as k
    ) as w;
end;
$$;

-- One row of numbers, as dashboards read it.
create view fairlane.orchestrator_status
with (security_invoker = true)
as
select
  f.queued_tasks,
  f.running_tasks,
  f.completed_tasks,
  -- Two names for the same number, because clients use both.
  f.failed_tasks as error_tasks,
  f.failed_tasks,
  f.inactive_workers,
  f.active_workers,
  f.terminated_workers,
  f.external_workers,
  f.stale_workers,
  f.stuck_tasks,
  f.snapshot_time
from fairlane_core.fleet_summary() as f;

comment on view fairlane.orchestrator_status is
  'The queue and the fleet in one row: tasks by state, workers by state, stale_workers (active, no heartbeat within gpu_heartbeat_timeout), stuck_tasks (running, not named for stuck_after). service_role only.';
