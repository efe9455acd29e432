-- The tasks that an orchestrator has enqueued, as functions ask it.
create function public.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_orchestrator_children(p_caller, p_orchestrator_task_id);
end;
$$;

comment on function public.get_orchestrator_children(jsonb, uuid) is
  '{tasks: [{id, task_type, status, params, output_location}], is_cut}: the tasks of the same owner whose params.orchestrator_task_id_ref is this task, oldest first; at most 1000 and 32 MiB, is_cut says that there are more. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_orchestrator_children(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_orchestrator_children(jsonb, uuid) to service_role;
