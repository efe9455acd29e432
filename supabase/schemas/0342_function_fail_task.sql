-- Ends a task as Failed, or has it tried again where that is allowed. The reason is kept whichever field it came in; the
-- history has more of it than the task.
create function queue.fail_task(
  p_caller queue.caller,
  p_task public.tasks,
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
  v_reason text := coalesce(nullif(p_reason, ''), nullif(p_details, ''), 'Failed without a reason');
  -- Of what is cut on the task the history keeps more.
  v_full jsonb := nullif(jsonb_strip_nulls(jsonb_build_object(
    'error_message', case when v_reason <> queue.cut_text(v_reason) then queue.cut_ends(v_reason) end,
    'error_details', case when p_details <> queue.cut_text(p_details) then queue.cut_ends(p_details) end
  )), '{}');
  -- A task that waits in the queue again is tried again already; and putting one back is its holder's. A token that had the
  -- task and has lost it speaks of the start that it had.
  v_applies boolean := case
    when p_task.status = 'In Progress' then queue.is_holder(p_caller, p_task) or p_caller.kind = 'service'
      or not p_may_retry and not exists (
        select
        from public.task_events as e
        where p_caller.kind = 'token'
          and e.task_id = p_task.id
          and e.to_status = 'In Progress'
          and e.from_status is distinct from 'In Progress'
          and e.actor = queue.caller_name(p_caller)
      )
    else p_task.status = 'Queued' and not p_may_retry
  end;
  -- The fleet's workers have one key; a token or a user is none of them.
  v_may_be_anothers boolean := case
    when v_applies and not p_has_lease and (p_caller.kind = 'service' or p_task.status = 'Queued')
      then queue.has_live_former_holder(p_task, p_attempts)
    else false
  end;
  v_wait interval;
  v_task public.tasks;
begin
  if v_applies and not v_may_be_anothers then
    if queue.is_holder(p_caller, p_task) then
      perform queue.ends_itself(p_task.id);
    end if;
    if p_may_retry and not p_waits and queue.is_retryable(p_task.task_type) then
      -- After its last start it ends there (queue.tasks_before_update).
      perform queue.say(queue.caller_name(p_caller), queue.cut_text(v_reason), v_full);
      update public.tasks as t
      set status = 'Queued',
        error_message = queue.cut_text(v_reason),
        error_details = coalesce(queue.cut_text(p_details), t.error_details)
      where t.id = p_task.id
      returning t.* into v_task;
    elsif p_may_retry and p_task.attempts < queue.starts_allowed(p_task) and queue.is_retryable(p_task.task_type) then
      v_wait := queue.retry_wait(p_task.attempts);
      perform queue.say(
        queue.caller_name(p_caller),
        pg_catalog.format('failed, to be tried again in %s s: %s', ceil(extract(epoch from v_wait)), queue.cut_text(v_reason)),
        v_full
      );
      update public.tasks as t
      set status = 'Queued',
        available_at = queue.now() + v_wait,
        error_message = queue.cut_text(v_reason),
        error_details = coalesce(queue.cut_text(p_details), t.error_details)
      where t.id = p_task.id
      returning t.* into v_task;
    else
      perform queue.say(queue.caller_name(p_caller), queue.cut_text(v_reason), v_full);
      update public.tasks as t
      set status = 'Failed',
        error_message = v_reason,
        error_details = coalesce(queue.cut_text(p_details), t.error_details),
        output_location = v_reason
      where t.id = p_task.id
      returning t.* into v_task;
    end if;
    perform queue.ends_itself(null);
    perform queue.say(null);
    if p_task.status = 'Queued' then
      perform queue.let_go_by_report(p_caller, p_task.id);
    end if;
    return queue.report_reply(v_task, true);
  end if;

  if p_has_lease and p_task.status in ('Queued', 'Cancelled') then
    perform queue.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Failed', p_task.id, p_task.status),
      'Drop this task; its end is final'
    );
  end if;

  if p_task.status <> 'In Progress' then
    perform queue.let_go_by_report(p_caller, p_task.id);
  elsif v_may_be_anothers and p_task.delivered_at is null and queue.is_holder(p_caller, p_task) then
    -- If it was the holder that spoke, its next claim is a start, and no reply that was lost.
    update public.tasks as t set delivered_at = queue.now() where t.id = p_task.id returning t.* into p_task;
  end if;
  perform queue.record_report(
    p_task, p_caller,
    'failure reported, not applied: ' || queue.cut_text(v_reason),
    -- For the end, should no better word come (queue.told_reason).
    case when v_may_be_anothers then coalesce(v_full, '{}') || jsonb_build_object('held_back', queue.cut_text(v_reason)) else v_full end
  );
  return queue.report_reply(p_task, false);
end;
$$;

comment on function queue.fail_task(queue.caller, public.tasks, text, text, boolean, boolean, boolean, integer) is
  'Ends a locked task as Failed with this reason; puts it back, with a wait unless p_waits is false, when p_may_retry, attempts are left and its type is retried; or only records the report when the task has ended, a former holder may be speaking (queue.has_live_former_holder; p_attempts is the number of the start that is told), somebody who does not hold it wants it tried again, or a token speaks of it that has lost it.';

revoke all on function queue.fail_task(queue.caller, public.tasks, text, text, boolean, boolean, boolean, integer) from public, anon, authenticated, service_role;
