-- Completion, as functions call it.
create function public.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text default null,
  p_thumbnail_url text default null,
  p_result_data jsonb default null,
  p_lease_token uuid default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.complete_task(p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid) is
  'Completes a task: status, output, result record, history and dependants in one transaction, once. A repeat changes nothing and answers what is stored. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION, 403. service_role only.';

revoke all on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid) to service_role;
