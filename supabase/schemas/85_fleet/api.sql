-- What deployed clients call under names of their own (docs/fleet.md).

-- A heartbeat with log lines, as deployed workers send it.
create function fairlane.func_worker_heartbeat_with_logs(json)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.worker_heartbeat($1);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.func_worker_heartbeat_with_logs(json) is
  'A worker''s heartbeat, with its log lines. The whole body: {worker_id_param, vram_total_mb_param, vram_used_mb_param, logs_param, status_param, current_task_id_param}. With status_param terminated the worker says goodbye: its work is free at once, that attempt does not count, and its next heartbeat or claim makes it active again. Out: {success, heartbeat_updated, logs_inserted, log_errors, stop: [{task_id, reason}]}. Errors: 400 INVALID_ARGUMENT without a worker id. service_role only.';

-- The heartbeat of clients that send no logs.
create function fairlane.func_update_worker_heartbeat(json)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  perform fairlane_core.worker_heartbeat($1);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
end;
$$;

comment on function fairlane.func_update_worker_heartbeat(json) is
  'A worker''s heartbeat without logs. The whole body: {worker_id_param, vram_total_mb_param, vram_used_mb_param}. Returns nothing. Errors: 400 INVALID_ARGUMENT without a worker id. service_role only.';

-- Log lines, as deployed workers and orchestrators send them.
create function fairlane.func_insert_logs_batch(json)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.insert_logs_batch($1);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.func_insert_logs_batch(json) is
  'Stores log lines. The whole body: {logs: [{timestamp, source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata}]}. Out: {success, inserted, errors}. service_role only.';

-- The counts, as the scripts of the fleet call them through the Data API. They pass a mode: "queued" leaves out what
-- runs, any other means all.
create function fairlane.func_get_task_counts(mode text default null, run_type_filter text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  if run_type_filter in ('cloud', 'local') then
    return fairlane_core.counts_of_place(run_type_filter, mode is distinct from 'queued');
  end if;
  return fairlane_core.task_counts('{"kind": "service"}', run_type_filter, mode is distinct from 'queued');
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.func_get_task_counts(text, text) is
  'The same as task_counts for a service key, under the name and arguments of the fleet''s scripts. mode: queued leaves out what runs, any other means all. run_type_filter: a pool; or a place, cloud (machines of the fleet) or local (their owners'' own); null for all. Out: see task_counts; of a place its totals of what is claimable and active, its users and recent tasks. service_role only.';

-- The finished segments of a run, as functions request them.
create function fairlane.get_completed_segments(
  p_caller jsonb, p_run_id text, p_project_id uuid default null, p_after_index integer default null
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.get_completed_segments(p_caller, p_run_id, p_project_id, p_after_index);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.get_completed_segments(jsonb, text, uuid, integer) is
  '[{segment_index, output_location}] of the Complete travel_segments whose params.orchestrator_run_id is p_run_id as text, in order, one per index, the newest; at most 10000, those above p_after_index. Tokens and users: their own. Errors: 403. service_role only.';

-- Prompts of a shot, as functions report them.
create function fairlane.update_shot_pair_prompts(p_caller jsonb)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- fairlane_core.refuse_while_locked
as $$
begin
  return fairlane_core.update_shot_pair_prompts(p_caller);
exception when lock_not_available then
  perform fairlane_core.refuse_while_locked();
  return null;
end;
$$;

comment on function fairlane.update_shot_pair_prompts(jsonb) is
  'Always 501 NOT_SUPPORTED, or 403 for unknown callers: the queue has no shots. service_role only.';
