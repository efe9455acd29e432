-- Each worker's state, from its row, its heartbeats and its tasks; which have failed; and the reply of explain about
-- one.

-- The state of each machine of the fleet: those that have not ended, and those that failed within the window or still
-- claim. One word each, the first that applies, and the evidence.
-- The health of a worker: claims_refused, terminating, terminated, failed, starting, never_beat, stale, stuck_task (no
-- news of its task), overlong_task (it runs much longer than usual), silent (heartbeats, but no log line within the
-- window), never_claimed (although there is work) or healthy.
create function fairlane_core.worker_states(p_window interval)
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
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings := (select s from fairlane_core.settings as s);
  v_silent_since timestamptz := v_now - v_settings.gpu_heartbeat_timeout;
  v_has_work boolean := exists (select from fairlane_core.user_queues as l where l.pool = 'gpu' and l.is_open);
  v_has_api_work boolean := exists (select from fairlane_core.user_queues as l where l.pool = 'api' and l.is_open);
begin
  return query
  with seen as (
    select
      w.*,
      (
        -- Only the window: what came before says nothing about now. Compared as pairs, because only the index by worker
        -- has them: the index by time would be scanned for every silent worker.
        select g."timestamp"
        from fairlane.system_logs as g
        where (g.worker_id, g."timestamp") >= (w.id, v_now - p_window)
          and (g.worker_id, g."timestamp") <= (w.id, timestamptz 'infinity')
          and g.source_type = 'worker'
        order by g.worker_id desc, g."timestamp" desc
        limit 1
      ) as last_log_at,
      (
        select r.last_at from fairlane_core.claim_refusals as r where r.worker_id = w.id and r.last_at > v_now - interval '5 minutes'
      ) as last_refusal_at,
      h.tasks_held, h.current_task_id, h.current_task_type, h.task_started_at, h.task_quiet_since, h.has_overlong,
      h.tasks_held > 0 or exists (
        select
        from fairlane.tasks as t
        where t.worker_id = w.id
          and t.status in ('Complete', 'Failed', 'Cancelled')
      ) or exists (
        -- What it released, or what was taken from it, is only in the history.
        select
        from fairlane.task_events as e
        where e.worker_id = w.id
          and e.from_status = 'In Progress'
          and e.to_status in ('Queued', 'Failed')
      ) as has_claimed
    from fairlane.workers as w
      cross join lateral (
        select
          count(*)::integer as tasks_held,
          (array_agg(t.id order by t.claimed_at desc))[1] as current_task_id,
          (array_agg(t.task_type order by t.claimed_at desc))[1] as current_task_type,
          min(t.claimed_at) as task_started_at,
          -- Orchestration waits for its children and may be quiet.
          min(fairlane_core.last_news(t, v_settings.stuck_after, v_now)) filter (where t.takes_slot) as task_quiet_since,
          bool_or(fairlane_core.is_overlong(t, v_settings, v_now)) filter (where t.takes_slot) as has_overlong
        from fairlane.tasks as t
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
      -- Api workers register and never send heartbeats.
      when s.instance_type = 'api' then case when v_has_api_work and not s.has_claimed then 'never_claimed' else 'healthy' end
      when s.last_heartbeat is null
        and s.created_at > v_now - v_settings.worker_start_limit
        and coalesce(s.task_started_at > v_silent_since, true) then 'starting'
      when s.last_heartbeat is null then 'never_beat'
      when not fairlane_core.is_beating(s.last_heartbeat) then 'stale'
      when s.task_quiet_since < v_now - v_settings.stuck_after then 'stuck_task'
      when s.has_overlong then 'overlong_task'
      when s.created_at > v_silent_since then 'healthy'
      when s.last_log_at is null then 'silent'
      when v_has_work and not s.has_claimed then 'never_claimed'
      else 'healthy'
    end,
    coalesce(
      s.metadata ->> 'error_reason',
      case
        when (s.metadata #>> '{not_believed,at}')::timestamptz >= v_now - p_window then pg_catalog.format(
          'Said to be %s at %s, which was not believed: %s', s.metadata #>> '{not_believed,status}',
          s.metadata #>> '{not_believed,at}', coalesce(s.metadata #>> '{not_believed,reason}', 'no reason given')
        )
      end
    ),
    s.created_at, s.last_heartbeat, round(extract(epoch from v_now - s.last_heartbeat), 1), s.last_log_at, s.last_refusal_at, s.failed_at, s.has_claimed, s.tasks_held,
    s.current_task_id, s.current_task_type, s.task_started_at,
    round(extract(epoch from v_now - s.task_started_at), 1), s.task_quiet_since, s.current_model, s.metadata
  from seen as s
  where not fairlane_core.has_ended(s.status)
    or s.failed_at >= v_now - p_window
    or s.last_refusal_at is not null
  order by s.id;
end;
$$;

-- Which workers failed within a window, why, and which tasks were affected.
-- Failures since then: {workers_seen, workers_failed, failure_rate, reasons: [{reason, workers}], failed_workers:
-- [{worker_id, status, failed_at, reason, tasks: [{task_id, task_type, outcome}]}]}. Tasks from at most the last 100000
-- events.
create function fairlane_core.worker_failures(p_since timestamptz)
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
  from fairlane.workers as w
  where greatest(w.created_at, w.last_heartbeat, w.failed_at) >= p_since
    -- They are not rented, and never send heartbeats.
    and w.instance_type <> 'api';

  -- The history has no index by time; the samples record which event id came when.
  select greatest(
    coalesce((select max(m.last_event_id) from fairlane_core.minute_samples as m where m.sampled_at <= p_since), 0),
    (select max(e.id) from fairlane.task_events as e) - 100000
  )
  into v_first_event;

  return (
    with failed as (
      select
        w.id, w.status, w.failed_at, coalesce(w.metadata ->> 'error_reason', 'no reason recorded') as reason
      from fairlane.workers as w
      where w.failed_at >= p_since
        and w.instance_type <> 'api'
    ), taken_down as (
      -- What was requeued or failed, and what is still to be requeued.
      select distinct on (d.worker_id, d.task_id) d.worker_id, d.task_id, d.outcome
      from (
        select e.worker_id, e.task_id, case e.to_status when 'Queued' then 'requeue_lost' else 'failed' end as outcome, e.id as at
        from fairlane.task_events as e
        where e.id > v_first_event
          and e.at >= p_since
          and e.from_status = 'In Progress'
          and e.to_status in ('Queued', 'Failed')
        union all
        select t.worker_id, t.id, 'still_held', null
        from failed as f
          join fairlane.tasks as t on t.worker_id = f.id
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
          -- With ages and ids every reason would be unique.
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
                  left join fairlane.tasks as t on t.id = d.task_id
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

-- Why a worker gets nothing.
-- See fairlane.explain_worker.
create function fairlane_core.explain_worker(p_caller jsonb, p_worker_id text, p_run_type text)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token']);
  v_pool text := coalesce(p_run_type, 'gpu');
  v_worker fairlane.workers;
  v_limit integer;
  v_held json;
  v_held_count integer;
  v_load fairlane_core.load_summary;
  v_reason text;
begin
  perform fairlane_core.refuse_unknown_pool(v_pool);

  if v_caller.kind = 'service' then
    select w.* into v_worker from fairlane.workers as w where w.id = p_worker_id;
  end if;

  select case v_pool when 'gpu' then s.gpu_tasks_per_worker else s.api_tasks_per_worker end
  into v_limit
  from fairlane_core.settings as s
  where fairlane_core.sent_name(p_worker_id) <> all (s.shared_worker_ids);

  select
    count(*),
    coalesce(json_agg(json_build_object('task_id', t.id, 'task_type', t.task_type, 'claimed_at', t.claimed_at)), '[]')
  into v_held_count, v_held
  from fairlane.tasks as t
  where t.worker_id = case v_caller.kind when 'token' then fairlane_core.holder_name(v_caller, p_worker_id) else p_worker_id end
    and t.status = 'In Progress'
    and fairlane_core.is_served_by(v_caller, v_pool, t.pool, t.runs_on_own_gpu, t.run_type)
    and t.takes_slot;

  v_load := fairlane_core.load_summary(v_caller, v_pool);

  v_reason := case
    when v_worker.status in ('terminating', 'terminated', 'error') and v_worker.goodbye_at is null then 'worker_' || v_worker.status
    when v_held_count >= v_limit then 'holds_all_it_may'
    when v_load.claimable = 0 then 'nothing_claimable'
  end;

  return json_build_object(
    'worker_id', p_worker_id,
    'known', v_worker.id is not null,
    'status', v_worker.status,
    'last_heartbeat', v_worker.last_heartbeat,
    'current_model', v_worker.current_model,
    'pool', v_pool,
    'gets_work', v_reason is null,
    'reason', v_reason,
    'remedy', case v_reason
      when 'holds_all_it_may' then 'It gets back what it holds until it completes or fails it'
      when 'nothing_claimable' then 'Nothing waits that this worker may run; blocked says what waits for what'
      else case when v_reason is null then 'Nothing: its next claim gets a task' else 'Claim under a new worker id' end
    end,
    'claimable', v_load.claimable,
    'holds', v_held,
    'blocked', fairlane_core.blocked_by_reason(v_caller, v_pool, v_load)
  );
end;
$$;
