-- An owner's live tasks of a type, through the index of live tasks.
create function queue.live_tasks_of_type(p_user_id uuid, p_task_type text, p_after uuid, p_limit integer)
returns setof uuid
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_user_id = '00000000-0000-0000-0000-000000000000' then
    return query
    select t.id
    from public.tasks as t
    where t.user_id is null
      and left(t.task_type, 200) = left(p_task_type, 200)
      and left(t.task_type, 200) = left(p_task_type, 200)
      and t.task_type = p_task_type
      and t.standing is not null
      and t.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
    order by t.id
    limit p_limit;
    return;
  end if;

  return query
  select t.id
  from public.tasks as t
  where t.user_id = p_user_id
    and left(t.task_type, 200) = left(p_task_type, 200)
    and t.task_type = p_task_type
    and t.standing is not null
    and t.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
  order by t.id
  limit p_limit;
end;
$$;

comment on function queue.live_tasks_of_type(uuid, text, uuid, integer) is
  'Up to p_limit live tasks of this owner (00000000-0000-0000-0000-000000000000: of nobody) and type, after this id, in the order of their ids.';

revoke all on function queue.live_tasks_of_type(uuid, text, uuid, integer) from public, anon, authenticated, service_role;
