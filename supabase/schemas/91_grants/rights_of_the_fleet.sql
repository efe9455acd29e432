-- The same for what ships with the fleet alone (85_fleet).

revoke all on table public.active_workers_health, public.orchestrator_status
  from public, anon, authenticated, service_role;

revoke all on function
  public.func_get_task_counts, public.func_insert_logs_batch, public.func_update_worker_heartbeat,
  public.func_worker_heartbeat_with_logs, public.get_completed_segments, public.update_shot_pair_prompts
  from public, anon, authenticated, service_role;

grant select on table public.active_workers_health, public.orchestrator_status to service_role;

grant execute on function
  public.func_get_task_counts, public.func_insert_logs_batch, public.func_update_worker_heartbeat,
  public.func_worker_heartbeat_with_logs, public.get_completed_segments, public.update_shot_pair_prompts,
  queue.counts_of_place, queue.fleet_summary, queue.get_completed_segments, queue.update_shot_pair_prompts
  to service_role;
