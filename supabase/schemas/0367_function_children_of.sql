-- The tasks that name another one as their orchestrator. They came after it, so of a long history only its owner's
-- tasks since then are looked at; a day more, because clocks are set back.
create function queue.children_of(p_orchestrator public.tasks, p_limit integer)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select t.*
  from public.tasks as t
  where t.user_id = p_orchestrator.user_id
    and t.created_at >= p_orchestrator.created_at - interval '1 day'
    and queue.parent_task_id(t.params) = p_orchestrator.id
    and t.id <> p_orchestrator.id
  order by t.created_at, t.id
  limit p_limit;
end;
$$;

comment on function queue.children_of(public.tasks, integer) is
  'Up to so many tasks of the same owner whose params name this one as their orchestrator, oldest first.';

revoke all on function queue.children_of(public.tasks, integer) from public, anon, authenticated, service_role;
