-- The workers that have not ended, as dashboards read them.
create view public.active_workers_health
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
from queue.worker_states(interval '30 minutes') as s
where s.status not in ('terminated', 'error', 'crashed');

comment on view public.active_workers_health is
  'One row per worker that has not ended, with its health (see queue.worker_states) and what it runs. service_role only.';

revoke all on table public.active_workers_health from public, anon, authenticated, service_role;
grant select on table public.active_workers_health to service_role;
