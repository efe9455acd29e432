-- The output that a task builds on, as functions ask it.
create function public.get_predecessor_output(
  p_caller jsonb, p_task_id uuid, p_parent_generation_id uuid default null, p_child_order integer default null
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.get_predecessor_output(p_caller, p_task_id, p_parent_generation_id, p_child_order);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_predecessor_output(jsonb, uuid, uuid, integer) is
  'Null for a task without dependencies, else {predecessor_id, output_location (null until all are Complete), status (null when there is no such task of the same owner), predecessors: the same of every dependency, all_complete, lookup_method}; the first dependency is tasks.dependant_on. Without one, and with p_parent_generation_id and p_child_order: the newest record of the owner''s at the place before it, or nulls. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_predecessor_output(jsonb, uuid, uuid, integer) from public, anon, authenticated, service_role;
grant execute on function public.get_predecessor_output(jsonb, uuid, uuid, integer) to service_role;
