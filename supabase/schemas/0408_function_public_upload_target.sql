-- Where the files of a task go, as functions ask it.
create function public.upload_target(p_caller jsonb, p_task_id uuid, p_lease_token uuid default null)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.upload_target(p_caller, p_task_id, p_lease_token);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.upload_target(jsonb, uuid, uuid) is
  'Whose folder the files of a task go to, and whether it still takes any: while it runs, and after it was taken back from a worker that may yet finish it. Out: {task_id, user_id, status, attempt, is_open}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST, 403. service_role only.';

revoke all on function public.upload_target(jsonb, uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.upload_target(jsonb, uuid, uuid) to service_role;
