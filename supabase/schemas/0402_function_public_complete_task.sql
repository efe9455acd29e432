-- Completion, as functions call it.
create function public.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text default null,
  p_thumbnail_url text default null,
  p_result_data jsonb default null,
  p_lease_token uuid default null,
  p_description text default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.complete_task(p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token, p_description);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid, text) is
  'Completes a task: status, output, result record, history and dependants in one transaction, once. A repeat changes nothing and answers what is stored. p_description that is a JSON object becomes output_location, the output then stays the file. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION, 403. service_role only.';

revoke all on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid, text) from public, anon, authenticated, service_role;
grant execute on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid, text) to service_role;
