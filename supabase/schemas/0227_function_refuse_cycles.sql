-- A circle can only be closed by a task that others already wait for. Most new tasks have an id that nobody has heard
-- of; asking that costs one look at an index.
create function queue.refuse_cycles(p_task_ids uuid[])
returns void
language plpgsql
volatile -- must see what was committed while it waited for the owner
security invoker
set search_path = ''
as $$
declare
  v_waited_for uuid[];
  v_suspects uuid[];
  v_circle uuid;
begin
  -- A circle needs one that waits and is waited for.
  select array_agg(t.id)
  into v_waited_for
  from unnest(p_task_ids) as t (id)
  where exists (select from queue.task_dependencies as d where d.task_id = t.id offset 0)
    and exists (select from queue.task_dependencies as d where d.depends_on = t.id offset 0);

  if v_waited_for is null then
    return;
  end if;

  -- A circle leads through a task that was there before and waited for a new one, or only through new ones. Sets are
  -- hashed (except, in) and links looked up by their keys (offset 0): compared one by one, a long chain that comes as one statement
  -- costs the square of its length.
  with recursive awaited (task_id) as materialized (
    select w.id from unnest(v_waited_for) as w (id)
  ),
  suspect (task_id) as (
    select w.task_id
    from awaited as w
    where exists (
      select
      from (select d.task_id from queue.task_dependencies as d where d.depends_on = w.task_id offset 0) as n
      where n.task_id not in (select p.id from unnest(p_task_ids) as p (id))
    )
  ),
  -- A long chain that comes as one statement: its first task waits for none of the others, and each further one only
  -- for one that is free already.
  free (task_id) as (
    select w.task_id
    from awaited as w
    where not exists (
      select
      from (select d.depends_on from queue.task_dependencies as d where d.task_id = w.task_id offset 0) as n
      -- "is true" keeps it a set that is hashed once: as a join it may be read through for each link.
      where (n.depends_on in (select v.task_id from awaited as v)) is true
    )
    union
    select n.task_id
    from free as f
      cross join lateral (
        select d.task_id from queue.task_dependencies as d where d.depends_on = f.task_id offset 0
      ) as n
    where not exists (
      select
      from (select o.depends_on from queue.task_dependencies as o where o.task_id = n.task_id offset 0) as o
      where o.depends_on <> f.task_id
    )
  )
  select array_agg(s.task_id)
  into v_suspects
  from (
    (select w.task_id from awaited as w except select f.task_id from free as f)
    union
    select s.task_id from suspect as s
  ) as s;

  select t.id
  into v_circle
  from public.tasks as t
  where t.id = any (v_suspects)
    and queue.waits_for(t.id, t.id, t.user_id)
  limit 1;

  if v_circle is not null then
    perform queue.refuse(
      400, 'DEPENDENCY_CYCLE',
      pg_catalog.format('Task %s would wait for itself, through the tasks it depends on', v_circle),
      'Depend only on tasks that do not wait for this one'
    );
  end if;
end;
$$;

comment on function queue.refuse_cycles(uuid[]) is
  'Raises 400 DEPENDENCY_CYCLE when one of these tasks depends on itself. Call it under the owners'' locks.';

revoke all on function queue.refuse_cycles(uuid[]) from public, anon, authenticated, service_role;
