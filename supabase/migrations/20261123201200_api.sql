-- What: the list of functions and views that callers use.
-- Why: public holds what the Data API exposes and nothing else.
-- Back out: apply the versions of these functions that the migrations before this one hold.

set lock_timeout = '900ms';

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

-- Notes that a worker claims although it gets nothing. The refused claim has rolled back, so the function that answers
-- it calls this; an idle poll of a refused worker writes once a minute.
create function queue.note_refused_claim(p_caller jsonb, p_worker_id text)
returns boolean
language plpgsql
volatile
security definer -- API roles only read the table
set search_path = ''
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service']);
  v_now timestamptz := queue.now();
  v_status text;
begin
  select w.status
  into v_status
  from public.workers as w
  where w.id = p_worker_id
    and v_caller.kind = 'service'
    and w.status in ('terminating', 'terminated', 'error')
    and not exists (
      select
      from queue.claim_refusals as r
      where r.worker_id = w.id
        and r.last_at > v_now - interval '1 minute'
    );
  if not found then
    return false;
  end if;

  insert into queue.claim_refusals as r (worker_id, status, first_at, last_at)
  values (p_worker_id, v_status, v_now, v_now)
  on conflict (worker_id) do update
  set status = excluded.status, last_at = excluded.last_at;

  delete from queue.claim_refusals as r where r.last_at < v_now - interval '7 days';
  return true;
end;
$$;

comment on function queue.note_refused_claim(jsonb, text) is 'See public.note_refused_claim.';

revoke all on function queue.note_refused_claim(jsonb, text) from public, anon, authenticated, service_role;
grant execute on function queue.note_refused_claim(jsonb, text) to service_role;

create function public.note_refused_claim(p_caller jsonb, p_worker_id text)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.note_refused_claim(p_caller, p_worker_id);
end;
$$;

comment on function public.note_refused_claim(jsonb, text) is
  'Notes, at most once a minute and worker, that a claim was refused because of the worker''s status; true when it did. service_role only.';

revoke all on function public.note_refused_claim(jsonb, text) from public, anon, authenticated, service_role;
grant execute on function public.note_refused_claim(jsonb, text) to service_role;

-- How each machine of the fleet is doing: those that have not ended, and those that failed within the window or still
-- claim. One word each, the first that applies, and what it follows from.
create function queue.worker_states(p_window interval)
returns table (
  worker_id text,
  instance_type text,
  status text,
  health text,
  reason text,
  created_at timestamptz,
  last_heartbeat timestamptz,
  heartbeat_age_seconds numeric,
  last_log_at timestamptz,
  last_refusal_at timestamptz,
  failed_at timestamptz,
  has_claimed boolean,
  tasks_held integer,
  current_task_id uuid,
  current_task_type text,
  task_started_at timestamptz,
  task_runtime_seconds numeric,
  task_quiet_since timestamptz,
  current_model text,
  metadata jsonb
)
language plpgsql
stable
security definer -- uses the queue's clock
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings := (select s from queue.settings as s);
  v_silent_since timestamptz := v_now - v_settings.gpu_silence_limit;
  v_has_work boolean := exists (select from queue.user_lines as l where l.pool = 'gpu' and l.is_open);
begin
  return query
  with seen as (
    select
      w.*,
      (
        -- Only the window: what came before says nothing about now. Compared as pairs, because only the index by
        -- worker knows those: the one by time would be read through for every worker that is silent.
        select g."timestamp"
        from public.system_logs as g
        where (g.worker_id, g."timestamp") >= (w.id, v_now - p_window)
          and (g.worker_id, g."timestamp") <= (w.id, timestamptz 'infinity')
          and g.source_type = 'worker'
        order by g.worker_id desc, g."timestamp" desc
        limit 1
      ) as last_log_at,
      (
        select r.last_at from queue.claim_refusals as r where r.worker_id = w.id and r.last_at > v_now - interval '5 minutes'
      ) as last_refusal_at,
      h.tasks_held, h.current_task_id, h.current_task_type, h.task_started_at, h.task_quiet_since,
      h.tasks_held > 0 or exists (
        select
        from public.tasks as t
        where t.worker_id = w.id
          and t.status in ('Complete', 'Failed', 'Cancelled')
      ) as has_claimed
    from public.workers as w
      cross join lateral (
        select
          count(*)::integer as tasks_held,
          (array_agg(t.id order by t.claimed_at desc))[1] as current_task_id,
          (array_agg(t.task_type order by t.claimed_at desc))[1] as current_task_type,
          min(t.claimed_at) as task_started_at,
          -- Orchestration waits for its children and may be quiet.
          min(queue.last_word(t)) filter (where t.takes_slot) as task_quiet_since
        from public.tasks as t
        where t.worker_id = w.id
          and t.status = 'In Progress'
          and t.token_id is null
      ) as h
  )
  select
    s.id, s.instance_type, s.status,
    case
      when s.last_refusal_at is not null and s.status in ('terminating', 'terminated', 'error') then 'claims_refused'
      when s.status in ('terminating', 'terminated') then s.status
      when s.status in ('error', 'crashed') then 'failed'
      when s.last_heartbeat is null
        and s.created_at > v_now - v_settings.worker_start_limit
        and coalesce(s.task_started_at > v_silent_since, true) then 'starting'
      when s.last_heartbeat is null then 'never_beat'
      when s.last_heartbeat < v_silent_since then 'stale'
      when s.task_quiet_since < v_now - v_settings.quiet_task_limit then 'stuck_task'
      when s.created_at > v_silent_since then 'healthy'
      when s.last_log_at is null then 'silent'
      when v_has_work and not s.has_claimed then 'never_claimed'
      else 'healthy'
    end,
    s.metadata ->> 'error_reason',
    s.created_at, s.last_heartbeat, round(extract(epoch from v_now - s.last_heartbeat), 1), s.last_log_at, s.last_refusal_at, s.failed_at, s.has_claimed, s.tasks_held,
    s.current_task_id, s.current_task_type, s.task_started_at,
    round(extract(epoch from v_now - s.task_started_at), 1), s.task_quiet_since, s.current_model, s.metadata
  from seen as s
  where s.status not in ('terminated', 'error', 'crashed')
    or s.failed_at >= v_now - p_window
    or s.last_refusal_at is not null
  order by s.id;
end;
$$;

comment on function queue.worker_states(interval) is
  'Per worker its health: claims_refused, terminating, terminated, failed, starting, never_beat, stale, stuck_task, silent (beats, no log line within the window), never_claimed (although there is work) or healthy.';

revoke all on function queue.worker_states(interval) from public, anon, authenticated, service_role;
grant execute on function queue.worker_states(interval) to service_role;

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
  where greatest(w.created_at, w.last_heartbeat, w.failed_at) >= p_since;

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

-- What an orchestrator should know before it rents another machine.
create function queue.worker_health(p_caller jsonb, p_window_minutes numeric)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service']);
  v_now timestamptz := queue.now();
  v_minutes numeric := coalesce(p_window_minutes, 30);
  v_window interval;
  v_failures json;
  v_workers json;
  v_by_health json;
  v_free integer;
  v_claimable integer := queue.claimable_count(v_caller, 'gpu');
  v_code text;
begin
  if v_minutes not between 1 and 1440 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The window must be 1 to 1440 minutes, not %s', v_minutes));
  end if;
  v_window := make_interval(secs => (v_minutes * 60)::double precision);
  v_failures := queue.worker_failures(v_now - v_window);

  with state as materialized (
    select * from queue.worker_states(v_window)
  )
  select
    (
      select coalesce(
        json_agg(
          json_build_object(
            'worker_id', s.worker_id, 'instance_type', s.instance_type, 'status', s.status, 'health', s.health,
            'reason', s.reason, 'last_heartbeat', s.last_heartbeat, 'last_log_at', s.last_log_at,
            'has_claimed', s.has_claimed, 'last_refusal_at', s.last_refusal_at, 'tasks_held', s.tasks_held,
            'current_task_id', s.current_task_id, 'task_started_at', s.task_started_at, 'task_quiet_since', s.task_quiet_since
          )
          order by s.health = 'healthy', s.worker_id
        ), '[]'
      )
      from (select x.* from state as x order by x.health = 'healthy', x.worker_id limit 1000) as s
    ),
    (select coalesce(json_object_agg(g.health, g.workers), '{}') from (select s.health, count(*) as workers from state as s group by 1) as g),
    (
      select count(*)
      from state as s
      where s.health in ('healthy', 'silent', 'never_claimed', 'starting')
        and s.tasks_held = 0
    )
  into v_workers, v_by_health, v_free;

  v_code := case
    when v_claimable = 0 then 'NOTHING_CLAIMABLE'
    when (v_failures ->> 'workers_failed')::integer >= 3
      and (v_failures ->> 'failure_rate')::numeric >= (select s.max_failure_rate from queue.settings as s) then 'WORKERS_FAIL'
    when v_free >= v_claimable then 'ENOUGH_WORKERS'
    else 'MORE_WORK_THAN_WORKERS'
  end;

  return json_build_object(
    'window_minutes', v_minutes,
    'by_health', v_by_health,
    'workers', v_workers,
    'failures', v_failures,
    'spawning', json_build_object(
      'makes_sense', v_code = 'MORE_WORK_THAN_WORKERS',
      'code', v_code,
      'message', case v_code
        when 'NOTHING_CLAIMABLE' then 'No gpu task could be claimed; task-counts says under blocked what waits for what'
        when 'WORKERS_FAIL' then pg_catalog.format(
          '%s of %s workers failed within the window, most often: %s. Find out why before renting more',
          v_failures ->> 'workers_failed', v_failures ->> 'workers_seen', v_failures #>> '{reasons,0,reason}'
        )
        when 'ENOUGH_WORKERS' then pg_catalog.format('%s workers are free or starting for %s tasks', v_free, v_claimable)
        else pg_catalog.format('%s gpu tasks are claimable and %s workers are free or starting', v_claimable, v_free)
      end,
      'claimable', v_claimable,
      'free_workers', v_free
    ),
    'snapshot_at', v_now
  );
end;
$$;

comment on function queue.worker_health(jsonb, numeric) is 'See public.worker_health.';

revoke all on function queue.worker_health(jsonb, numeric) from public, anon, authenticated, service_role;
grant execute on function queue.worker_health(jsonb, numeric) to service_role;

create function public.worker_health(p_caller jsonb, p_window_minutes numeric default 30)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.worker_health(p_caller, p_window_minutes);
end;
$$;

comment on function public.worker_health(jsonb, numeric) is
  'How the fleet is doing, over a window of 1 to 1440 minutes: {window_minutes, by_health, workers, failures, spawning, snapshot_at}. Errors: 400 INVALID_ARGUMENT, 403 FORBIDDEN. service_role only.';

revoke all on function public.worker_health(jsonb, numeric) from public, anon, authenticated, service_role;
grant execute on function public.worker_health(jsonb, numeric) to service_role;

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
      count(*) filter (where t.takes_slot and queue.last_word(t) < v_now - v_settings.quiet_task_limit) as stuck
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
          where k.status = 'active' and coalesce(k.last_heartbeat, k.created_at) < v_now - v_settings.gpu_silence_limit
        ) as stale
      from public.workers as k
    ) as w;
end;
$$;

comment on function queue.fleet_summary() is 'See public.orchestrator_status.';

revoke all on function queue.fleet_summary() from public, anon, authenticated, service_role;
grant execute on function queue.fleet_summary() to service_role;

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

-- How a task stands, for clients that wait for it.
create function queue.get_task_status(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_task public.tasks := queue.readable_task(queue.resolve_caller(p_caller, array['service', 'token', 'user']), p_task_id);
begin
  return json_build_object(
    'task_id', v_task.id,
    'task_type', v_task.task_type,
    'status', v_task.status,
    'attempt', v_task.attempts,
    'error_message', v_task.error_message,
    'created_at', v_task.created_at,
    'updated_at', v_task.updated_at,
    'generation_started_at', v_task.generation_started_at,
    'generation_processed_at', v_task.generation_processed_at
  );
end;
$$;

comment on function queue.get_task_status(jsonb, uuid) is 'See public.get_task_status.';

revoke all on function queue.get_task_status(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.get_task_status(jsonb, uuid) to service_role;

-- What came of a task, with what it was asked to do.
create function queue.get_task_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_task public.tasks := queue.readable_task(queue.resolve_caller(p_caller, array['service', 'token', 'user']), p_task_id);
begin
  return json_build_object(
    'task_id', v_task.id,
    'status', v_task.status,
    'output_location', v_task.output_location,
    'public_url', case when v_task.status = 'Complete' then v_task.output_location end,
    'thumbnail_url', v_task.thumbnail_url,
    'error_message', v_task.error_message,
    'result_data', v_task.result_data,
    'params', v_task.params,
    'dependant_on', v_task.dependant_on
  );
end;
$$;

comment on function queue.get_task_output(jsonb, uuid) is 'See public.get_task_output.';

revoke all on function queue.get_task_output(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.get_task_output(jsonb, uuid) to service_role;

-- The output that a task builds on. Deployed workers read one predecessor; newer ones all of them.
create function queue.get_predecessor_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security definer -- looks up the caller's token and reads the dependencies
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_task public.tasks := queue.readable_task(queue.resolve_caller(p_caller, array['service', 'token', 'user']), p_task_id);
  v_first json;
  v_all json;
begin
  if v_task.dependant_on is null then
    return null;
  end if;

  with predecessor as (
    select
      d.id,
      t.status,
      -- Until it is Complete, a task has texts there that are no output.
      case when t.status = 'Complete' then t.output_location end as output_location
    from (
      select v_task.dependant_on
      union
      select k.depends_on from queue.task_dependencies as k where k.task_id = v_task.id
    ) as d (id)
      -- Somebody else's task counts as missing, and nothing is said of it.
      left join public.tasks as t on t.id = d.id and t.user_id is not distinct from v_task.user_id
  ),
  -- The first dependency first.
  told as (
    select
      p.id,
      json_build_object('predecessor_id', p.id, 'output_location', p.output_location, 'status', p.status) as reply
    from predecessor as p
    order by p.id <> v_task.dependant_on, p.id
  )
  select json_agg(t.reply), (json_agg(t.reply)) -> 0
  into v_all, v_first
  from told as t;

  return json_build_object(
    'predecessor_id', v_first -> 'predecessor_id',
    'output_location', v_first -> 'output_location',
    'status', v_first -> 'status',
    'predecessors', v_all
  );
end;
$$;

comment on function queue.get_predecessor_output(jsonb, uuid) is 'See public.get_predecessor_output.';

revoke all on function queue.get_predecessor_output(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.get_predecessor_output(jsonb, uuid) to service_role;

-- The finished segments of a run, for the worker that puts them together.
create function queue.get_completed_segments(p_caller jsonb, p_run_id text, p_project_id uuid)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 10000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
begin
  return (
    select coalesce(
      json_agg(
        json_build_object('segment_index', s.segment_index, 'output_location', s.output_location)
        order by s.segment_index
      ),
      '[]'
    )
    from (
      -- A segment that was made again: the newest counts.
      select distinct on (n.segment_index) n.segment_index, t.output_location
      from public.tasks as t
        cross join lateral (
          select substring(t.params ->> 'segment_index' from '^[0-9]{1,9}$')::integer
        ) as n (segment_index)
      where t.status = 'Complete'
        and t.task_type = 'travel_segment'
        and left(t.params ->> 'orchestrator_run_id', 128) = left(p_run_id, 128) -- as the index has it
        and t.params ->> 'orchestrator_run_id' = p_run_id
        and (v_caller.kind = 'service' or t.user_id = v_caller.user_id)
        and (p_project_id is null or t.project_id = p_project_id)
        and n.segment_index is not null
        and t.output_location <> ''
      order by n.segment_index, t.generation_processed_at desc nulls last, t.created_at desc, t.id
      limit v_most
    ) as s
  );
end;
$$;

comment on function queue.get_completed_segments(jsonb, text, uuid) is 'See public.get_completed_segments.';

revoke all on function queue.get_completed_segments(jsonb, text, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.get_completed_segments(jsonb, text, uuid) to service_role;

-- The tasks that an orchestrator has enqueued, so that it does not enqueue them twice.
create function queue.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 1000;
  v_most_bytes constant integer := 32 * 1024 * 1024;
  v_orchestrator public.tasks := queue.readable_task(
    queue.resolve_caller(p_caller, array['service', 'token', 'user']), p_orchestrator_task_id
  );
  v_tasks json;
  v_found integer;
  v_told integer;
begin
  with child as (
    select c.*
    from queue.children_of(v_orchestrator, v_most + 1) as c
  ),
  -- Params may be large, and the reply is made in the memory of the database.
  measured as (
    select
      c.*,
      row_number() over in_order as place,
      sum(octet_length(c.params::text) + coalesce(octet_length(c.output_location), 0)) over in_order as bytes
    from child as c
    window in_order as (order by c.created_at, c.id)
  )
  select
    coalesce(
      json_agg(
        json_build_object(
          'id', m.id, 'task_type', m.task_type, 'status', m.status, 'params', m.params,
          'output_location', m.output_location
        )
        order by m.place
      ) filter (where m.place <= v_most and m.bytes <= v_most_bytes),
      '[]'
    ),
    count(*),
    count(*) filter (where m.place <= v_most and m.bytes <= v_most_bytes)
  into v_tasks, v_found, v_told
  from measured as m;

  return json_build_object('tasks', v_tasks, 'is_cut', v_told < v_found);
end;
$$;

comment on function queue.get_orchestrator_children(jsonb, uuid) is 'See public.get_orchestrator_children.';

revoke all on function queue.get_orchestrator_children(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.get_orchestrator_children(jsonb, uuid) to service_role;

-- Which model a worker has loaded: claims prefer tasks that suit it. A worker that never announced itself is not
-- created here, because a row would make it one that is expected to beat.
create function queue.update_worker_model(p_caller jsonb, p_worker_id text, p_model text)
returns json
language plpgsql
volatile
security definer -- looks up the caller's token
set search_path = ''
as $$
declare
  v_model constant text := left(p_model, 200); -- as tasks.model is cut
begin
  perform queue.resolve_caller(p_caller, array['service']);

  if v_model is null or v_model = '' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The model must be named');
  end if;

  -- Workers say it before every generation: the same model again writes nothing.
  update public.workers as w
  set current_model = v_model
  where w.id = p_worker_id
    and w.current_model is distinct from v_model;

  if not found and not exists (select from public.workers as w where w.id = p_worker_id) then
    perform queue.refuse(
      404, 'WORKER_NOT_FOUND', pg_catalog.format('There is no worker %s', p_worker_id), 'Its first beat announces it'
    );
  end if;

  return json_build_object('worker_id', p_worker_id, 'current_model', v_model);
end;
$$;

comment on function queue.update_worker_model(jsonb, text, text) is 'See public.update_worker_model.';

revoke all on function queue.update_worker_model(jsonb, text, text) from public, anon, authenticated, service_role;
grant execute on function queue.update_worker_model(jsonb, text, text) to service_role;

-- Shots belong to the application, not to the queue. Callers are told so in the queue's own words, after their token
-- was looked up, so that a wrong key is not taken for a missing feature.
create function queue.update_shot_pair_prompts(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
as $$
begin
  perform queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  perform queue.refuse(
    501, 'NOT_SUPPORTED', 'This queue keeps no shots, so it cannot store prompts of one',
    'Go on without; the prompts are in the params of the segments'
  );
  return null;
end;
$$;

comment on function queue.update_shot_pair_prompts(jsonb) is 'See public.update_shot_pair_prompts.';

revoke all on function queue.update_shot_pair_prompts(jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.update_shot_pair_prompts(jsonb) to service_role;

-- How a task stands, as functions ask it.
create function public.get_task_status(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_task_status(p_caller, p_task_id);
end;
$$;

comment on function public.get_task_status(jsonb, uuid) is
  '{task_id, task_type, status, attempt, error_message, created_at, updated_at, generation_started_at, generation_processed_at}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_task_status(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_task_status(jsonb, uuid) to service_role;

-- What came of a task, as functions ask it.
create function public.get_task_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_task_output(p_caller, p_task_id);
end;
$$;

comment on function public.get_task_output(jsonb, uuid) is
  '{task_id, status, output_location (a progress text or the reason of a failure unless Complete), public_url (once Complete), thumbnail_url, error_message, result_data, params, dependant_on}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_task_output(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_task_output(jsonb, uuid) to service_role;

-- The output that a task builds on, as functions ask it.
create function public.get_predecessor_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_predecessor_output(p_caller, p_task_id);
end;
$$;

comment on function public.get_predecessor_output(jsonb, uuid) is
  'Null for a task without dependencies, else {predecessor_id, output_location (null until Complete), status (null when there is no such task of the same owner), predecessors: the same of every dependency}; the first dependency is tasks.dependant_on. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_predecessor_output(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_predecessor_output(jsonb, uuid) to service_role;

-- The finished segments of a run, as functions ask it.
create function public.get_completed_segments(p_caller jsonb, p_run_id text, p_project_id uuid default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_completed_segments(p_caller, p_run_id, p_project_id);
end;
$$;

comment on function public.get_completed_segments(jsonb, text, uuid) is
  '[{segment_index, output_location}] of the Complete travel_segments whose params.orchestrator_run_id is p_run_id as text, in order, one per index, the newest; at most 10000. Tokens and users: their own. Errors: 403. service_role only.';

revoke all on function public.get_completed_segments(jsonb, text, uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_completed_segments(jsonb, text, uuid) to service_role;

-- The tasks that an orchestrator has enqueued, as functions ask it.
create function public.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_orchestrator_children(p_caller, p_orchestrator_task_id);
end;
$$;

comment on function public.get_orchestrator_children(jsonb, uuid) is
  '{tasks: [{id, task_type, status, params, output_location}], is_cut}: the tasks of the same owner whose params.orchestrator_task_id_ref is this task, oldest first; at most 1000 and 32 MiB, is_cut says that there are more. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_orchestrator_children(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_orchestrator_children(jsonb, uuid) to service_role;

-- Which model a worker has loaded, as functions report it.
create function public.update_worker_model(p_caller jsonb, p_worker_id text, p_model text)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.update_worker_model(p_caller, p_worker_id, p_model);
end;
$$;

comment on function public.update_worker_model(jsonb, text, text) is
  'Notes the model that a worker has loaded: {worker_id, current_model}. Errors: 404 WORKER_NOT_FOUND, 400 INVALID_ARGUMENT, 403 for all but the service. service_role only.';

revoke all on function public.update_worker_model(jsonb, text, text) from public, anon, authenticated, service_role;
grant execute on function public.update_worker_model(jsonb, text, text) to service_role;

-- Prompts of a shot, as functions report them.
create function public.update_shot_pair_prompts(p_caller jsonb)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.update_shot_pair_prompts(p_caller);
end;
$$;

comment on function public.update_shot_pair_prompts(jsonb) is
  'Always 501 NOT_SUPPORTED, or 403 for callers who are nobody: the queue owns no shots. service_role only.';

revoke all on function public.update_shot_pair_prompts(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.update_shot_pair_prompts(jsonb) to service_role;

-- Whether the queue looks after itself, as functions ask it.
create function public.health(p_caller jsonb)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.health(p_caller);
end;
$$;

comment on function public.health(jsonb) is
  'Whether the queue''s jobs run and its counters agree: {status: ok or degraded, reasons: [{code: JOB_LATE, JOB_FAILED or DRIFT, message}], checked_at, database_started_at, jobs: [{job, period_seconds, ran_at, took_ms, result, failed_at, error}]}. Errors: 403. service_role only.';

revoke all on function public.health(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.health(jsonb) to service_role;

-- The counts, as the scripts of the fleet call them through the Data API. They name a mode: "queued"
-- leaves out what runs, any other means all.
create function public.func_get_task_counts(mode text default null, run_type_filter text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.task_counts('{"kind": "service"}', run_type_filter, mode is distinct from 'queued');
end;
$$;

comment on function public.func_get_task_counts(text, text) is
  'The same as task_counts for a service key, under the name and arguments of the fleet''s scripts. mode: queued leaves out what runs, any other means all. run_type_filter: gpu, api or null for both. Out: see task_counts. service_role only.';

revoke all on function public.func_get_task_counts(text, text) from public, anon, authenticated, service_role;
grant execute on function public.func_get_task_counts(text, text) to service_role;

-- The switch of ADR 0013: whether the anon key reads tasks. Closed unless an operator has opened it.
-- The columns are those that deployed workers ask for or filter by. The rows are those of live and fresh work: a worker
-- reads about jobs that run, and the rest is nobody's business who only knows a public key.
create function queue.allow_anon_reads(p_is_allowed boolean)
returns void
language plpgsql
volatile
security invoker -- whoever may change the table may turn the switch
set search_path = ''
set lock_timeout = '5s' -- a policy needs the table for itself, for a moment; claims must not queue up behind that
as $$
begin
  drop policy if exists anyone_reads_fresh_tasks on public.tasks;
  revoke all on table public.tasks from anon;

  if p_is_allowed then
    grant select (
      id, task_type, params, status, project_id, dependant_on, worker_id, output_location, created_at
    ) on table public.tasks to anon;
    -- Not queue.now(): anon can execute nothing in there. updated_at is asked although it is not shown.
    create policy anyone_reads_fresh_tasks on public.tasks
      for select to anon
      using (status in ('Queued', 'In Progress') or updated_at > now() - interval '1 day');
  end if;
end;
$$;

comment on function queue.allow_anon_reads(boolean) is
  'Opens or closes the reads of tasks with the anon key; see docs/adr/0013. For operators: no API role may execute it.';

revoke all on function queue.allow_anon_reads(boolean) from public, anon, authenticated, service_role;

notify pgrst, 'reload schema';
