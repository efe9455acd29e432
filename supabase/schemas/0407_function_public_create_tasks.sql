-- Enqueuing a batch, as functions call it.
create function public.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return json_build_object('tasks', queue.create_tasks(p_caller, p_tasks));
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.create_tasks(jsonb, jsonb) is
  'Enqueues 1 to 1000 tasks, all or none, each {task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key, max_attempts, timeout_seconds, created_at}; only task_type is needed, and a project or a parent in params. A task that is there already, by its id or its owner''s key, is answered as it is. Out: {tasks: [as create_task answers]} in the order sent. Errors: 400 INVALID_ARGUMENT, DEPENDENCY_CYCLE or PROJECT_REQUIRED, 403, 404 PROJECT_NOT_FOUND, 409 TASK_ID_TAKEN, 429 QUEUE_FULL. service_role only.';

revoke all on function public.create_tasks(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.create_tasks(jsonb, jsonb) to service_role;
