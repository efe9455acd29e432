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
