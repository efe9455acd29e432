-- What create-task answers for one task. Without params: who sent them has them.
create function queue.created_reply(p_task public.tasks, p_is_new boolean)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'status', p_task.status,
    'created', p_is_new,
    'task_type', p_task.task_type,
    'project_id', p_task.project_id,
    'dependant_on', p_task.dependant_on,
    'run_type', p_task.run_type,
    'priority', p_task.priority,
    'available_at', p_task.available_at,
    'idempotency_key', p_task.idempotency_key,
    'output_location', p_task.output_location,
    'created_at', p_task.created_at
  );
end;
$$;

comment on function queue.created_reply(public.tasks, boolean) is
  'The reply about a task that was enqueued, now (created) or before: task_id, status, created, task_type, project_id, dependant_on, run_type, priority, available_at, idempotency_key, output_location, created_at.';

revoke all on function queue.created_reply(public.tasks, boolean) from public, anon, authenticated, service_role;
