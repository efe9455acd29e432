-- How a task stands, as functions ask it.
create function public.get_task_status(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.get_task_status(p_caller, p_task_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_task_status(jsonb, uuid) is
  '{task_id, task_type, status, attempt, error_message, created_at, updated_at, generation_started_at, generation_processed_at}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_task_status(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_task_status(jsonb, uuid) to service_role;
