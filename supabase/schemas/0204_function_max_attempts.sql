-- How often a task of a type may be started.
create function queue.max_attempts(p_task_type text)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    (select y.max_attempts from public.task_types as y where y.name = p_task_type),
    (select s.max_attempts from queue.settings as s)
  );
end;
$$;

comment on function queue.max_attempts(text) is
  'How often a task of this type may be started before it ends Failed.';

revoke all on function queue.max_attempts(text) from public, anon, authenticated, service_role;
