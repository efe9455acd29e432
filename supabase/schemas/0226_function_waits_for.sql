-- Whether a task waits, directly or through others of its owner, for another one; one that waits for itself can never
-- run. Asked under the owner's lock, so that of two that close a circle together the second one sees the first.
create function queue.waits_for(p_task_id uuid, p_other_id uuid, p_user_id uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    with recursive above (task_id) as (
      select d.depends_on from queue.task_dependencies as d where d.task_id = p_task_id
      union
      select n.depends_on
      from above as a
        -- By their keys, one step after the other (offset 0 keeps it so); as joins, a plan from when the queue was small would
        -- go through all links, or all tasks of the owner, at each step of a long chain.
        cross join lateral (
          select d.depends_on from queue.task_dependencies as d where d.task_id = a.task_id offset 0
        ) as n
      where (select t.user_id = p_user_id from public.tasks as t where t.id = a.task_id)
    )
    select from above as a where a.task_id = p_other_id
  );
end;
$$;

comment on function queue.waits_for(uuid, uuid, uuid) is
  'Whether the first task, of this owner, depends on the second one in any number of steps.';

revoke all on function queue.waits_for(uuid, uuid, uuid) from public, anon, authenticated, service_role;
