-- The task that a report is about, locked; with the tasks that its end would change, if the report may end it. Somebody
-- else's task answers exactly like one that does not exist.
create function queue.lock_task_for(p_caller queue.caller, p_task_id uuid, p_ends_as text default null)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  -- An app that cancels for its user can come again sooner than a worker.
  perform queue.open_tables(p_caller.kind <> 'user');

  -- Relatives are locked together with the task and before anything else; but nobody locks a stranger's.
  if p_ends_as is not null and exists (
    select
    from public.tasks as t
    where t.id = p_task_id
      and t.status in ('Queued', 'In Progress')
      and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
  ) then
    perform queue.lock_relatives(p_task_id, p_ends_as);
  end if;

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

comment on function queue.lock_task_for(queue.caller, uuid, text) is
  'Locks and returns the task, and its live relatives when it may end as p_ends_as (Complete, Failed, Cancelled); 404 TASK_NOT_FOUND when it does not exist or is not the caller''s.';

revoke all on function queue.lock_task_for(queue.caller, uuid, text) from public, anon, authenticated, service_role;
