-- Enqueuing one task, as functions call it.
create function public.create_task(p_caller jsonb, p_task jsonb)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.create_tasks(p_caller, jsonb_build_array(p_task)) -> 0;
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.create_task(jsonb, jsonb) is
  'Enqueues one task, once: see create_tasks for what p_task holds. Out: {task_id, status, created (false: it was there before), task_type, project_id, dependant_on, run_type, priority, available_at, idempotency_key, output_location, created_at}. Errors as of create_tasks. service_role only.';

revoke all on function public.create_task(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.create_task(jsonb, jsonb) to service_role;
