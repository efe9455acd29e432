-- The tasks that name another one as their orchestrator. A family that the queue keeps count of is listed; one that had
-- ended before the queue did so, and one that has no child yet, is looked for among its owner's tasks since then. A day
-- more, because clocks are set back.
create function queue.children_of(
  p_orchestrator public.tasks, p_limit integer, p_after_time timestamptz default null, p_after_id uuid default null
)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if exists (select from queue.orchestrations as o where o.orchestrator_id = p_orchestrator.id) then
    return query
    select t.*
    from queue.subtasks as s
      join public.tasks as t on t.id = s.task_id
    where s.orchestrator_id = p_orchestrator.id
      and t.user_id = p_orchestrator.user_id
      and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
    order by t.created_at, t.id
    limit p_limit;
    return;
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.user_id = p_orchestrator.user_id
    and t.created_at >= p_orchestrator.created_at - interval '1 day'
    and queue.parent_task_id(t.params) = p_orchestrator.id
    and t.id <> p_orchestrator.id
    and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
  order by t.created_at, t.id
  limit p_limit;
end;
$$;

comment on function queue.children_of(public.tasks, integer, timestamptz, uuid) is
  'Up to so many tasks of the same owner whose params name this one as their orchestrator, oldest first; only those after this time and id, if they are given.';

revoke all on function queue.children_of(public.tasks, integer, timestamptz, uuid) from public, anon, authenticated, service_role;
