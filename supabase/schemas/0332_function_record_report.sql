-- A report that changed nothing still leaves a trace.
create function queue.record_report(p_task public.tasks, p_caller queue.caller, p_reason text, p_details jsonb default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
  values (
    p_task.id, p_task.user_id, queue.now(), p_task.status, p_task.status, p_task.worker_id, p_task.attempts,
    queue.caller_name(p_caller), p_reason, p_details
  );
end;
$$;

comment on function queue.record_report(public.tasks, queue.caller, text, jsonb) is
  'Adds an event to the task''s history without changing the task.';

revoke all on function queue.record_report(public.tasks, queue.caller, text, jsonb) from public, anon, authenticated, service_role;
