-- What a function locks before it ends a task: the task and every other task that this end may change, in one
-- statement and in the order of their ids. A task without relatives costs two looks at an index.
create function queue.lock_relatives(p_task_id uuid, p_status text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  select t.user_id into v_user_id from public.tasks as t where t.id = p_task_id;
  if v_user_id is not null then
    perform queue.lock_relatives_of(
      -- The children of a cancelled orchestrator go with it, unless they are many (queue.cancel_children).
      p_task_id || case when p_status is null or p_status = 'Cancelled' then
        (select c.ids from queue.next_relatives(p_task_id, true, null, 101) as c (ids) where cardinality(c.ids) <= 100)
      end,
      array[v_user_id], p_status is distinct from 'Complete'
    );
  end if;
end;
$$;

comment on function queue.lock_relatives(uuid, text) is
  'Locks a task and its live relatives, in the order of their ids, before it ends with this status (null = any). Call it before anything else is locked.';

revoke all on function queue.lock_relatives(uuid, text) from public, anon, authenticated, service_role;
