-- Status reports, as functions call them.
create function public.update_task_status(
  p_caller jsonb,
  p_task_id uuid,
  p_status text,
  p_output_location text default null,
  p_error_message text default null,
  p_error_details text default null,
  p_thumbnail_url text default null,
  p_result_data jsonb default null,
  p_reset_generation_started_at boolean default false,
  p_lease_token uuid default null,
  p_attempts integer default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.update_task_status(
    p_caller, p_task_id, p_status, p_output_location, p_error_message, p_error_details, p_thumbnail_url,
    p_result_data, p_reset_generation_started_at, p_lease_token, p_attempts
  );
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid, integer) is
  'Reports on a task: In Progress with a text or a new billing start, Failed with a reason (error_message, else output_location, else error_details), Complete, Cancelled, or Queued to hand it back; with error_details that is a failed start, of the number p_attempts, which counts. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id} and changed (false: only recorded; not in the reply to Complete). Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION (both states in the message), 403. service_role only.';

revoke all on function public.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid, integer) from public, anon, authenticated, service_role;
grant execute on function public.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid, integer) to service_role;
