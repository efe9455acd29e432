-- A project changes hands with all that belongs to it, as operators call it (docs/operations.md).
create function public.move_project(p_project_id uuid, p_user_id uuid, p_caller jsonb default '{"kind":"service"}')
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.move_project(p_caller, p_project_id, p_user_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.move_project(uuid, uuid, jsonb) is
  'Gives a project to another user, with its tasks, results, history, families and counters, in one transaction. Not while a task of it is In Progress, and not where a live task belongs to one of another project: 409 PROJECT_HAS_TASKS, and nothing is changed. Out: {project_id, user_id, tasks, generations}. Errors: 400 INVALID_ARGUMENT, 403, 404 PROJECT_NOT_FOUND. service_role only.';

revoke all on function public.move_project(uuid, uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.move_project(uuid, uuid, jsonb) to service_role;
