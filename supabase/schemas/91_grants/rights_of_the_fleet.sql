-- The same for what ships only with the fleet (85_fleet).

revoke all on table fairlane.active_workers_health, fairlane.orchestrator_status
  from public, anon, authenticated, service_role;

revoke all on function
  fairlane.func_get_task_counts, fairlane.func_insert_logs_batch, fairlane.func_update_worker_heartbeat,
  fairlane.func_worker_heartbeat_with_logs, fairlane.get_completed_segments, fairlane.update_shot_pair_prompts
  from public, anon, authenticated, service_role;

grant select on table fairlane.active_workers_health, fairlane.orchestrator_status to service_role;

grant execute on function
  fairlane.func_get_task_counts, fairlane.func_insert_logs_batch, fairlane.func_update_worker_heartbeat,
  fairlane.func_worker_heartbeat_with_logs, fairlane.get_completed_segments, fairlane.update_shot_pair_prompts,
  fairlane_core.counts_of_place, fairlane_core.fleet_summary, fairlane_core.get_completed_segments, fairlane_core.update_shot_pair_prompts
  to service_role;
