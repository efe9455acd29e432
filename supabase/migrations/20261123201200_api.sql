-- What: the list of functions and views that callers use.
-- Why: public holds what the Data API exposes and nothing else.
-- Back out: apply the versions of these functions that the migrations before this one hold.

set lock_timeout = '5s';

-- Enqueuing one task, as functions call it.
create function public.create_task(p_caller jsonb, p_task jsonb)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.create_tasks(p_caller, jsonb_build_array(p_task)) -> 0;
end;
$$;

comment on function public.create_task(jsonb, jsonb) is
  'Enqueues one task, once: see create_tasks for what p_task holds. Out: {task_id, status, created (false: it was there before), task_type, project_id, dependant_on, run_type, priority, available_at, idempotency_key, output_location, created_at}. Errors as of create_tasks. service_role only.';

revoke all on function public.create_task(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.create_task(jsonb, jsonb) to service_role;

-- Enqueuing a batch, as functions call it.
create function public.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return json_build_object('tasks', queue.create_tasks(p_caller, p_tasks));
end;
$$;

comment on function public.create_tasks(jsonb, jsonb) is
  'Enqueues 1 to 1000 tasks, all or none, each {task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key, max_attempts, timeout_seconds, created_at}; only task_type is needed, and a project or a parent in params. A task that is there already, by its id or its owner''s key, is answered as it is. Out: {tasks: [as create_task answers]} in the order sent. Errors: 400 INVALID_ARGUMENT, DEPENDENCY_CYCLE or PROJECT_REQUIRED, 403, 404 PROJECT_NOT_FOUND, 409 TASK_ID_TAKEN, 429 QUEUE_FULL. service_role only.';

revoke all on function public.create_tasks(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.create_tasks(jsonb, jsonb) to service_role;

-- Where the files of a task go, as functions ask it.
create function public.upload_target(p_caller jsonb, p_task_id uuid, p_lease_token uuid default null)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.upload_target(p_caller, p_task_id, p_lease_token);
end;
$$;

comment on function public.upload_target(jsonb, uuid, uuid) is
  'Whose folder the files of a task go to, and whether it still takes any: while it runs, and after it was taken back from a worker that may yet finish it. Out: {task_id, user_id, status, attempt, is_open}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST, 403. service_role only.';

revoke all on function public.upload_target(jsonb, uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.upload_target(jsonb, uuid, uuid) to service_role;

-- A failure that may be tried again, as functions call it.
create function public.mark_task_failed(
  p_caller jsonb,
  p_task_id uuid,
  p_error_message text default null,
  p_error_details text default null,
  p_retryable boolean default true,
  p_lease_token uuid default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.mark_task_failed(p_caller, p_task_id, p_error_message, p_error_details, p_retryable, p_lease_token);
end;
$$;

comment on function public.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) is
  'Reports a failure. While starts are left and neither p_retryable nor the task''s type says otherwise, the task goes back to the queue and waits (queue.retry_wait); else it ends Failed. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id, changed (false: only recorded), will_retry, available_at}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION, 403. service_role only.';

revoke all on function public.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) from public, anon, authenticated, service_role;
grant execute on function public.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) to service_role;

-- Dead letters back into the queue, as operators call it (docs/operations.md).
create function public.requeue_tasks(
  p_task_ids uuid[] default null,
  p_filter jsonb default null,
  p_limit integer default 100,
  p_reason text default null,
  p_dry_run boolean default false,
  p_caller jsonb default '{"kind":"service"}'
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.requeue_tasks(p_caller, p_task_ids, p_filter, p_limit, p_reason, p_dry_run);
end;
$$;

comment on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) is
  'Puts Failed or Cancelled tasks back into the queue, named by ids or by a filter {status, task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before}; at most p_limit (1 to 1000) per call, the longest dead first. Each keeps its attempts and gets as many more as its type allows; the reason is in its history. Out: {requeued, matched, task_ids, dry_run}. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) to service_role;

-- Results that were never recorded, as operators mend them (docs/operations.md).
create function public.repair_generations(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.repair_generations(p_limit, p_dry_run);
end;
$$;

comment on function public.repair_generations(integer, boolean) is
  'Finds Complete tasks of a type that records generations which have none, and generations whose location is not their task''s output, up to p_limit of each, and mends them. Safe to repeat. Out: {missing, torn, task_ids, dry_run}. Errors: 400 INVALID_ARGUMENT. service_role only.';

revoke all on function public.repair_generations(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function public.repair_generations(integer, boolean) to service_role;

-- The guardian's beat. One unnamed argument of type json, because PostgREST hands the body of a request over to such a
-- function as it came; for named arguments it unpacks the body, and one \u0000 in a log line fails the whole beat.
create function queue.worker_heartbeat(p_body json)
returns json
language plpgsql
volatile
security definer -- writes columns of tasks that no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_uuid constant text := '^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$';
  v_body json := queue.readable_json(p_body);
  v_worker_id text := v_body ->> 'worker_id_param';
  v_now timestamptz := queue.now();
  v_status text := queue.beat(
    v_worker_id, coalesce(nullif(left(v_body ->> 'status_param', 200), ''), 'active'),
    v_body -> 'vram_total_mb_param', v_body -> 'vram_used_mb_param', v_now
  );
  v_current uuid := case
    when v_body ->> 'current_task_id_param' ~ v_uuid then (v_body ->> 'current_task_id_param')::uuid
  end;
  v_logs json[];
  v_surplus integer;
  v_named uuid[];
  v_stored integer;
begin
  select b.logs, b.surplus into v_logs, v_surplus from queue.bounded_logs(v_body -> 'logs_param') as b;
  v_stored := queue.store_logs(v_logs, v_worker_id, v_now);

  v_named := array(
    select distinct (l.entry ->> 'task_id')::uuid
    from unnest(v_logs) as l (entry)
    where case when json_typeof(l.entry) = 'object' then l.entry ->> 'task_id' ~ v_uuid end
    union
    select v_current
    where v_current is not null
  );
  if v_status not in ('terminated', 'error', 'crashed') then
    perform queue.show_signs_of_life(v_worker_id, v_named, v_now);
  end if;

  return json_build_object(
    'success', true,
    'heartbeat_updated', true,
    'logs_inserted', v_stored,
    'log_errors', cardinality(v_logs) - v_stored + v_surplus,
    'stop', queue.tasks_to_stop(v_worker_id, v_named, v_current, v_now)
  );
end;
$$;

comment on function queue.worker_heartbeat(json) is 'See public.func_worker_heartbeat_with_logs.';

revoke all on function queue.worker_heartbeat(json) from public, anon, authenticated, service_role;
grant execute on function queue.worker_heartbeat(json) to service_role;

create function public.func_worker_heartbeat_with_logs(json)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.worker_heartbeat($1);
end;
$$;

comment on function public.func_worker_heartbeat_with_logs(json) is
  'A worker''s beat, with its log lines. The whole body: {worker_id_param, vram_total_mb_param, vram_used_mb_param, logs_param, status_param, current_task_id_param}. Out: {success, heartbeat_updated, logs_inserted, log_errors, stop: [{task_id, reason}]}. Errors: 400 INVALID_ARGUMENT without a worker id. service_role only.';

revoke all on function public.func_worker_heartbeat_with_logs(json) from public, anon, authenticated, service_role;
grant execute on function public.func_worker_heartbeat_with_logs(json) to service_role;

-- The beat of clients that send no logs.
create function public.func_update_worker_heartbeat(json)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform queue.worker_heartbeat($1);
end;
$$;

comment on function public.func_update_worker_heartbeat(json) is
  'A worker''s beat without logs. The whole body: {worker_id_param, vram_total_mb_param, vram_used_mb_param}. Answers nothing. Errors: 400 INVALID_ARGUMENT without a worker id. service_role only.';

revoke all on function public.func_update_worker_heartbeat(json) from public, anon, authenticated, service_role;
grant execute on function public.func_update_worker_heartbeat(json) to service_role;

-- Log lines of orchestrators, which never try twice: what can be stored is stored, the rest is counted.
create function queue.insert_logs_batch(p_body json)
returns json
language plpgsql
volatile
security definer -- the helpers that it calls are nobody's but the queue's
set search_path = ''
as $$
declare
  v_body json := queue.readable_json(p_body);
  v_logs json[];
  v_surplus integer;
  v_stored integer;
begin
  select b.logs, b.surplus
  into v_logs, v_surplus
  from queue.bounded_logs(case when json_typeof(v_body) = 'object' then v_body -> 'logs' else v_body end) as b;
  v_stored := queue.store_logs(v_logs, null, queue.now());

  return json_build_object(
    'success', true,
    'inserted', v_stored,
    'errors', cardinality(v_logs) - v_stored + v_surplus
  );
end;
$$;

comment on function queue.insert_logs_batch(json) is 'See public.func_insert_logs_batch.';

revoke all on function queue.insert_logs_batch(json) from public, anon, authenticated, service_role;
grant execute on function queue.insert_logs_batch(json) to service_role;

create function public.func_insert_logs_batch(json)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.insert_logs_batch($1);
end;
$$;

comment on function public.func_insert_logs_batch(json) is
  'Stores log lines. The whole body: {logs: [{timestamp, source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata}]}. Out: {success, inserted, errors}. service_role only.';

revoke all on function public.func_insert_logs_batch(json) from public, anon, authenticated, service_role;
grant execute on function public.func_insert_logs_batch(json) to service_role;

notify pgrst, 'reload schema';
