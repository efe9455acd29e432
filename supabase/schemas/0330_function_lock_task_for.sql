-- The task that a report is about, locked. Somebody else's task answers exactly like one that does not exist.
create function queue.lock_task_for(p_caller queue.caller, p_task_id uuid)
returns public.tasks
language plpgsql
volatile
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
    and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
  for no key update;

  if v_task.id is null then
    perform queue.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;
  return v_task;
end;
$$;

comment on function queue.lock_task_for(queue.caller, uuid) is
  'Locks and returns the task; 404 TASK_NOT_FOUND when it does not exist or is not the caller''s.';

revoke all on function queue.lock_task_for(queue.caller, uuid) from public, anon, authenticated, service_role;
