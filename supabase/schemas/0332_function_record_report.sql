-- A report that changed nothing still leaves a trace. A client that repeats itself for ever does not fill the history:
-- the first reports about a task are kept, the others counted. What a start was last said to have failed of is always kept
-- (queue.told_reason). The task is locked by the caller.
create function queue.record_report(p_task public.tasks, p_caller queue.caller, p_reason text, p_details jsonb default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 20;
  v_counted constant text := 'further reports that changed nothing, only counted';
  v_count integer;
begin
  select count(*)
  into v_count
  from (
    select
    from public.task_events as e
    where e.task_id = p_task.id
      and e.from_status = e.to_status
      and e.to_status = p_task.status
    limit v_most + 1
  ) as k;

  if v_count >= v_most and p_details ? 'held_back' then
    update public.task_events as e
    set at = queue.now(), reason = p_reason, details = p_details
    where e.id = (
      select max(h.id)
      from public.task_events as h
      where h.task_id = p_task.id
        and h.from_status = h.to_status
        and h.worker_id = p_task.worker_id
        and h.attempt = p_task.attempts
        and h.details ? 'held_back'
        and h.id > (
          select max(s.id)
          from public.task_events as s
          where s.task_id = p_task.id
            and s.to_status = 'In Progress'
            and s.from_status is distinct from 'In Progress'
        )
    );
    if not found then
      v_count := 0;
    end if;
  end if;

  if v_count > v_most then
    update public.task_events as e
    set details = jsonb_build_object('count', (e.details ->> 'count')::integer + 1, 'last_at', queue.now())
    where e.task_id = p_task.id
      and e.from_status = e.to_status
      and e.to_status = p_task.status
      and e.reason = v_counted;
    return;
  end if;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
  values (
    p_task.id, p_task.user_id, queue.now(), p_task.status, p_task.status, p_task.worker_id, p_task.attempts,
    queue.caller_name(p_caller),
    case v_count when v_most then v_counted else p_reason end,
    case v_count when v_most then jsonb_build_object('count', 1, 'last_at', queue.now()) else p_details end
  );
end;
$$;

comment on function queue.record_report(public.tasks, queue.caller, text, jsonb) is
  'Adds an event to the task''s history without changing the task; after 20 in one status it only counts them.';

revoke all on function queue.record_report(public.tasks, queue.caller, text, jsonb) from public, anon, authenticated, service_role;
