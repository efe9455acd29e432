-- A failure: retried while attempts are left (20_rules/attempts.sql), else final; or only recorded, when a former
-- holder may have sent it.

-- Ends a task as Failed, or retries it where that is allowed. The reason is kept whichever field it came in; the
-- history keeps more of it than the task.
-- Ends a locked task as Failed with this reason; requeues it, with a wait unless p_waits is false, when p_may_retry,
-- attempts are left and its type is retried; or only records the report when the task has ended, when a former holder
-- may have sent it (fairlane_core.has_live_former_holder; p_attempts is the number of the reported attempt), when
-- somebody who does not hold the task asks for a retry, or when a token reports that has lost the task.
create function fairlane_core.fail_task(
  p_caller fairlane_core.caller,
  p_task fairlane.tasks,
  p_reason text,
  p_details text,
  p_has_lease boolean,
  p_may_retry boolean,
  p_waits boolean default true,
  p_attempts integer default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_told text := coalesce(nullif(p_reason, ''), nullif(p_details, ''), 'Failed without a reason');
  -- Cut here and once: what follows handles a text several times, and it may have megabytes.
  v_reason text := fairlane_core.cut_text(v_told);
  v_details text := fairlane_core.cut_text(p_details);
  -- The history keeps more of a text than the task.
  v_full jsonb := nullif(jsonb_strip_nulls(jsonb_build_object(
    'error_message', case when v_told <> v_reason then fairlane_core.cut_ends(v_told) end,
    'error_details', case when p_details <> v_details then fairlane_core.cut_ends(p_details) end
  )), '{}');
  -- A task that is back in the queue is already being retried, and only its holder may requeue a running one. A token
  -- that has lost the task reports on the attempt it had.
  v_applies boolean := case
    when p_task.status = 'In Progress' then fairlane_core.is_holder(p_caller, p_task) or p_caller.kind = 'service'
      or not p_may_retry and not exists (
        select
        from fairlane.task_events as e
        where p_caller.kind = 'token'
          and e.task_id = p_task.id
          and e.to_status = 'In Progress'
          and e.from_status is distinct from 'In Progress'
          and e.actor = fairlane_core.caller_name(p_caller)
      )
    else p_task.status = 'Queued' and not p_may_retry
  end;
  -- The fleet's workers share one key; a token or a user is none of them.
  v_may_be_anothers boolean := case
    when v_applies and not p_has_lease and (p_caller.kind = 'service' or p_task.status = 'Queued')
      then fairlane_core.has_live_former_holder(p_task, p_attempts)
    else false
  end;
  v_wait interval;
  v_task fairlane.tasks;
begin
  if v_applies and not v_may_be_anothers then
    if fairlane_core.is_holder(p_caller, p_task) then
      perform set_config('fairlane_core.mode', 'let_go:' || p_task.id, true);
    end if;
    if p_may_retry and not p_waits and fairlane_core.is_retryable(p_task.task_type) then
      -- After its last attempt it ends there (fairlane_core.tasks_before_update).
      perform fairlane_core.set_event_context(fairlane_core.caller_name(p_caller), v_reason, v_full);
      update fairlane.tasks as t
      set status = 'Queued',
        error_message = v_reason,
        error_details = coalesce(v_details, t.error_details)
      where t.id = p_task.id
      returning t.* into v_task;
    elsif p_may_retry and p_task.attempts < fairlane_core.starts_allowed(p_task) and fairlane_core.is_retryable(p_task.task_type) then
      v_wait := fairlane_core.retry_wait(p_task.attempts);
      perform fairlane_core.set_event_context(
        fairlane_core.caller_name(p_caller),
        pg_catalog.format('failed, to be tried again in %s s: %s', ceil(extract(epoch from v_wait)), v_reason),
        v_full
      );
      update fairlane.tasks as t
      set status = 'Queued',
        available_at = fairlane_core.now() + v_wait,
        error_message = v_reason,
        error_details = coalesce(v_details, t.error_details)
      where t.id = p_task.id
      returning t.* into v_task;
    else
      perform fairlane_core.set_event_context(fairlane_core.caller_name(p_caller), v_reason, v_full);
      update fairlane.tasks as t
      set status = 'Failed',
        error_message = v_reason,
        error_details = coalesce(v_details, t.error_details),
        output_location = v_reason
      where t.id = p_task.id
      returning t.* into v_task;
    end if;
    perform set_config('fairlane_core.mode', '', true);
    perform fairlane_core.set_event_context(null);
    if p_task.status = 'Queued' then
      perform fairlane_core.let_go_by_report(p_caller, p_task.id);
    end if;
    return fairlane_core.report_reply(v_task, true);
  end if;

  if p_has_lease and p_task.status in ('Queued', 'Cancelled') then
    perform fairlane_core.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Failed', p_task.id, p_task.status),
      'Drop this task; its end is final'
    );
  end if;

  if p_task.status <> 'In Progress' then
    perform fairlane_core.let_go_by_report(p_caller, p_task.id);
  elsif v_may_be_anothers and p_task.delivered_at is null and fairlane_core.is_holder(p_caller, p_task) then
    -- If the holder sent this, its next claim is a new attempt, not a lost reply.
    update fairlane.tasks as t set delivered_at = fairlane_core.now() where t.id = p_task.id returning t.* into p_task;
  end if;
  perform fairlane_core.record_report(
    p_task, p_caller,
    'failure reported, not applied: ' || v_reason,
    -- Used when the task ends, if no better reason arrives (fairlane_core.told_reason).
    case when v_may_be_anothers then coalesce(v_full, '{}') || jsonb_build_object('held_back', v_reason) else v_full end
  );
  return fairlane_core.report_reply(p_task, false);
end;
$$;

-- A failure without a lease could come from a former holder: a machine that was presumed dead, or whose task was reset,
-- may still be working on it, and its late report must not end another worker's attempt. While there is such a machine,
-- the current holder gets the benefit of the doubt. For a task that is back in the queue only a former holder can
-- report.
--
-- But only while there is one: a report that is not applied is a failure that nobody counts. Only the attempt number
-- (p_attempts) says which of the fleet's workers reports, and most send none. So workers that cannot be the sender are
-- ruled out:
--   * those that ended or were set aside: their heartbeats until then, even the last one, do not show that they work;
--   * those that had ended when they lost the task, and have come back under the same name;
--   * those that never had the task: the reply of the claim was lost, and no log line of theirs names it;
--   * those that released the task, or reported the outcome of their attempt in any form;
--   * those that were given another task since, if a worker runs one at a time;
--   * those whose attempt has another number than the reported one.
--
-- Under a shared name the former holder may have the same name as the current one.
-- Whether another worker that had this task may still be working on it, and so be the sender of a failure: of attempt
-- p_attempts, if the report says so.
create function fairlane_core.has_live_former_holder(p_task fairlane.tasks, p_attempts integer default null)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_settings fairlane_core.settings;
  v_is_shared boolean;
  v_former record;
begin
  select s.* into v_settings from fairlane_core.settings as s;
  if p_task.status = 'Queued' then
    return exists (
      select
      from fairlane.task_events as e
        join fairlane.workers as w on w.id = e.worker_id
      where e.task_id = p_task.id
        and e.to_status = 'In Progress'
        and e.from_status is distinct from 'In Progress'
        and fairlane_core.is_beating(w.last_heartbeat)
        and not exists (
          select
          from fairlane.task_events as f
          where f.task_id = e.task_id
            and f.id > e.id
            and f.worker_id = e.worker_id
            and f.from_status = 'In Progress'
            and f.to_status = 'Queued'
            and (f.actor = 'service' or starts_with(f.actor, 'token:'))
        )
    );
  end if;

  v_is_shared := fairlane_core.sent_name(p_task.worker_id) = any (v_settings.shared_worker_ids);
  for v_former in
    -- The last attempt of each other worker, and how it ended.
    select distinct on (e.worker_id)
      e.worker_id, e.id as start_id, e.at as started_at, e.attempt, l.to_status, l.actor, l.attempt as lost_attempt,
      l.reason, l.details -> 'signs' as signs
    from fairlane.task_events as e
      join fairlane.workers as w on w.id = e.worker_id
      left join lateral (
        select f.*
        from fairlane.task_events as f
        where f.task_id = e.task_id
          and f.id > e.id
          and f.from_status = 'In Progress'
          and f.to_status <> 'In Progress'
        order by f.id
        limit 1
      ) as l on true
    where e.task_id = p_task.id
      and e.to_status = 'In Progress'
      and e.from_status is distinct from 'In Progress'
      and (
        e.worker_id is distinct from p_task.worker_id
        -- All but the current attempt.
        or v_is_shared and e.id < (
          select max(s.id)
          from fairlane.task_events as s
          where s.task_id = p_task.id
            and s.to_status = 'In Progress'
            and s.from_status is distinct from 'In Progress'
        )
      )
      and w.status <> 'terminating'
      and not fairlane_core.has_ended(w.status)
      and fairlane_core.is_beating(w.last_heartbeat)
    order by e.worker_id, e.id desc
  loop
    continue when p_attempts = p_task.attempts
      and p_attempts not between v_former.attempt and greatest(v_former.attempt, v_former.lost_attempt);
    -- It reported the outcome (by a PATCH, if the call had failed), or claimed again without a report.
    continue when v_former.to_status in ('Queued', 'Failed', 'Complete')
      and (v_former.actor = 'service' or v_former.reason ~ '^Retry \d+ \(');
    continue when (v_former.signs ->> 'worker_is_gone')::boolean;
    -- An unnamed attempt that lasted delivery_timeout was requeued as never delivered; only log lines since then show
    -- that its worker had the task.
    continue when not (v_former.signs ->> 'was_named')::boolean
      and (v_former.signs ->> 'running_seconds')::numeric >= extract(epoch from v_settings.delivery_timeout)
      and not exists (
        select
        from fairlane.system_logs as g
        where g.task_id = p_task.id::text
          and g.worker_id = v_former.worker_id
          and g."timestamp" >= v_former.started_at
      );
    continue when p_task.pool = 'gpu' and v_settings.gpu_tasks_per_worker = 1
      and v_former.worker_id <> all (v_settings.shared_worker_ids)
      and exists (
        -- What it has or had last, and what it lost.
        select
        from (
          select t.id
          from fairlane.tasks as t
          where t.worker_id = v_former.worker_id
            and t.status = 'In Progress'
            and t.claimed_at >= v_former.started_at
          union all
          -- In index order: a worker may have completed thousands.
          select t.id
          from fairlane.tasks as t
          where t.worker_id = v_former.worker_id
            and t.status = 'Complete'
            and t.generation_processed_at >= v_former.started_at
          union all
          select f.task_id
          from fairlane.task_events as f
          where f.worker_id = v_former.worker_id
            and f.from_status = 'In Progress'
            and f.to_status in ('Queued', 'Failed')
            and f.id > v_former.start_id
        ) as o
          join fairlane.tasks as t on t.id = o.id
          join fairlane.task_events as b on b.task_id = o.id
        where o.id <> p_task.id
          and t.pool = p_task.pool
          and b.worker_id = v_former.worker_id
          and b.to_status = 'In Progress'
          and b.from_status is distinct from 'In Progress'
          and b.id > v_former.start_id
      );
    return true;
  end loop;
  return false;
end;
$$;
