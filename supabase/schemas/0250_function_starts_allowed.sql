-- How often this very task may be started: its own limit, else its type's, else the settings'.
create function queue.starts_allowed(p_task public.tasks)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_task.max_attempts, queue.max_attempts(p_task.task_type));
end;
$$;

comment on function queue.starts_allowed(public.tasks) is
  'How often this task may be started before it ends Failed; a requeue raises it.';

revoke all on function queue.starts_allowed(public.tasks) from public, anon, authenticated, service_role;
