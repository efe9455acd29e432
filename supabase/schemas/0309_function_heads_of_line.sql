-- The heads of a user's cloud and local lines, locked, the first to run first: what the user's own machine may take.
create function queue.heads_of_line(p_user_id uuid, p_pool text)
returns setof public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return query
  with cloud as materialized (
    select t.*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = 'cloud'
      and t.standing = 'ready'
    order by t.priority desc, t.created_at, t.id
    limit 1
    for no key update skip locked
  ),
  local as materialized (
    select t.*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = 'local'
      and t.standing = 'ready'
    order by t.priority desc, t.created_at, t.id
    limit 1
    for no key update skip locked
  )
  select h.*
  from (select c.* from cloud as c union all select l.* from local as l) as h
  order by h.priority desc, h.created_at, h.id;
end;
$$;

comment on function queue.heads_of_line(uuid, text) is
  'Locks and returns the heads of a user''s cloud and local lines in the pool, the first to run first.';

revoke all on function queue.heads_of_line(uuid, text) from public, anon, authenticated, service_role;
