-- Who has live tasks, without looking at the tasks: the lines and what waits are counted per owner.
create function queue.owners_with_live_tasks(p_after uuid, p_limit integer)
returns setof uuid
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select o.user_id
  from (
    (
      select distinct l.user_id
      from queue.user_lines as l
      where p_after is null or l.user_id > p_after
      order by l.user_id
      limit p_limit
    )
    union
    (
      select distinct b.user_id
      from queue.blocked_tasks as b
      where p_after is null or b.user_id > p_after
      order by b.user_id
      limit p_limit
    )
  ) as o
  order by o.user_id
  limit p_limit;
end;
$$;

comment on function queue.owners_with_live_tasks(uuid, integer) is
  'Up to p_limit owners who may have live tasks, after this one, in the order of their ids; 00000000-0000-0000-0000-000000000000 for tasks without one.';

revoke all on function queue.owners_with_live_tasks(uuid, integer) from public, anon, authenticated, service_role;
