-- One row of numbers, as dashboards read it.
create view public.orchestrator_status
with (security_invoker = true)
as
select
  f.queued_tasks,
  f.running_tasks,
  f.completed_tasks,
  -- Two names for the same number, since clients know both.
  f.failed_tasks as error_tasks,
  f.failed_tasks,
  f.inactive_workers,
  f.active_workers,
  f.terminated_workers,
  f.external_workers,
  f.stale_workers,
  f.stuck_tasks,
  f.snapshot_time
from queue.fleet_summary() as f;

comment on view public.orchestrator_status is
  'The queue and the fleet in one row: tasks by state, workers by state, stale_workers (active, no beat within the silence limit), stuck_tasks (running, no word for quiet_task_limit). service_role only.';

revoke all on table public.orchestrator_status from public, anon, authenticated, service_role;
grant select on table public.orchestrator_status to service_role;
