-- The output that a task builds on, as functions ask it.
create function public.get_predecessor_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.get_predecessor_output(p_caller, p_task_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_predecessor_output(jsonb, uuid) is
  'Null for a task without dependencies, else {predecessor_id, output_location (null until Complete), status (null when there is no such task of the same owner), predecessors: the same of every dependency}; the first dependency is tasks.dependant_on. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_predecessor_output(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_predecessor_output(jsonb, uuid) to service_role;
