-- What came of a task, as functions ask it.
create function public.get_task_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.get_task_output(p_caller, p_task_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_task_output(jsonb, uuid) is
  '{task_id, status, output_location (a progress text or the reason of a failure unless Complete), public_url (once Complete), thumbnail_url, error_message, result_data, params, dependant_on}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_task_output(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_task_output(jsonb, uuid) to service_role;
