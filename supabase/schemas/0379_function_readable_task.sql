-- The task that a question is about. Somebody else's task answers exactly like one that does not exist.
create function queue.readable_task(p_caller queue.caller, p_task_id uuid)
returns public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  select t.*
  into v_task
  from public.tasks as t
  where t.id = p_task_id
    and (p_caller.kind = 'service' or t.user_id = p_caller.user_id);

  if v_task.id is null then
    perform queue.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;
  return v_task;
end;
$$;

comment on function queue.readable_task(queue.caller, uuid) is
  'The task; 404 TASK_NOT_FOUND when it does not exist or is not the caller''s.';

revoke all on function queue.readable_task(queue.caller, uuid) from public, anon, authenticated, service_role;
