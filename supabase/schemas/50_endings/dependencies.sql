-- Dependencies: recorded, changed, and never circular.

-- Adds dependencies to a task that is still queued; the first one stays in dependant_on. Meant for the transaction that
-- inserts the task: nobody can claim it before that ends. Raises 400 DEPENDENCY_CYCLE, or 409 ILLEGAL_TRANSITION when
-- the task is not Queued.
create function fairlane_core.depend_on(p_task_id uuid, p_depends_on uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task fairlane.tasks;
begin
  if p_task_id = any (p_depends_on) then
    perform fairlane_core.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  end if;

  select t.* into v_task from fairlane.tasks as t where t.id = p_task_id for no key update;
  if v_task.status is distinct from 'Queued' then
    perform fairlane_core.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s; only a Queued task can be given dependencies', p_task_id, coalesce(v_task.status, 'missing'))
    );
  end if;

  -- Under the owner's lock no dependency can end unnoticed, and no cycle can be closed from two sides.
  perform from fairlane_core.user_slots as s where s.user_id = v_task.user_id for no key update;

  insert into fairlane_core.task_dependencies (task_id, depends_on)
  select p_task_id, d.id
  from unnest(p_depends_on) as d (id)
  where d.id is not null
  on conflict do nothing;
  perform fairlane_core.refuse_cycles(array[p_task_id]);

  update fairlane.tasks as t
  set readiness = null,
    dependant_on = coalesce(
      t.dependant_on,
      (select d.id from unnest(p_depends_on) with ordinality as d (id, place) where d.id is not null order by d.place limit 1)
    )
  where t.id = p_task_id;
end;
$$;

-- A direct change of dependant_on: the queue itself uses fairlane_core.task_dependencies, which is updated here. Its
-- own functions have already written there. The caller holds the owners' locks.
-- Records what these tasks depend on after a change of dependant_on (p_were: the old values), and derives their
-- readiness again.
create function fairlane_core.follow_dependencies(p_task_ids uuid[], p_were uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changed uuid[];
begin
  with gone as (
    delete from fairlane_core.task_dependencies as d
    using unnest(p_task_ids, p_were) as w (task_id, was)
    where d.task_id = w.task_id
      and d.depends_on = w.was
      and d.depends_on is distinct from (select t.dependant_on from fairlane.tasks as t where t.id = d.task_id)
    returning d.task_id
  ),
  come as (
    insert into fairlane_core.task_dependencies (task_id, depends_on)
    select t.id, t.dependant_on
    from fairlane.tasks as t
    where t.id = any (p_task_ids)
      and t.dependant_on is not null
    on conflict do nothing
    returning task_id
  )
  select array_agg(distinct c.task_id)
  into v_changed
  from (select g.task_id from gone as g union all select n.task_id from come as n) as c;

  if v_changed is not null then
    perform fairlane_core.refuse_cycles(v_changed);
    perform fairlane_core.recompute_readiness(v_changed);
  end if;
end;
$$;

-- Raises 400 DEPENDENCY_CYCLE when one of these tasks depends on itself. Call it under the owners' locks. Only a task
-- that others already wait for can close a cycle. Most new tasks have an id that nobody refers to; checking that costs
-- one index probe.
create function fairlane_core.refuse_cycles(p_task_ids uuid[])
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
  -- Only a task that both waits and is waited for can be in a cycle.
  select array_agg(t.id)
  into v_waited_for
  from unnest(p_task_ids) as t (id)
  where exists (select from fairlane_core.task_dependencies as d where d.task_id = t.id offset 0)
    and exists (select from fairlane_core.task_dependencies as d where d.depends_on = t.id offset 0);

  if v_waited_for is null then
    return;
  end if;

  -- A cycle contains an older task that waited for a new one, or only new ones. Sets are hashed (except, in) and
  -- dependencies looked up by key (offset 0): pairwise comparison would make a long chain in one statement quadratic.
  with recursive awaited (task_id) as materialized (
    select w.id from unnest(v_waited_for) as w (id)
  ),
  suspect (task_id) as (
    select w.task_id
    from awaited as w
    where exists (
      select
      from (select d.task_id from fairlane_core.task_dependencies as d where d.depends_on = w.task_id offset 0) as n
      where n.task_id not in (select p.id from unnest(p_task_ids) as p (id))
    )
  ),
  -- A long chain in one statement: its first task waits for none of the others, and each further one only for tasks
  -- that are already known to be free.
  free (task_id) as (
    select w.task_id
    from awaited as w
    where not exists (
      select
      from (select d.depends_on from fairlane_core.task_dependencies as d where d.task_id = w.task_id offset 0) as n
      -- "is true" keeps the set hashed: as a join it might be scanned for each dependency.
      where (n.depends_on in (select v.task_id from awaited as v)) is true
    )
    union
    select n.task_id
    from free as f
      cross join lateral (
        select d.task_id from fairlane_core.task_dependencies as d where d.depends_on = f.task_id offset 0
      ) as n
    where not exists (
      select
      from (select o.depends_on from fairlane_core.task_dependencies as o where o.task_id = n.task_id offset 0) as o
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
  from fairlane.tasks as t
  where t.id = any (v_suspects)
    and fairlane_core.waits_for(t.id, t.id, t.user_id)
  limit 1;

  if v_circle is not null then
    perform fairlane_core.refuse(
      400, 'DEPENDENCY_CYCLE',
      pg_catalog.format('Task %s would wait for itself, through the tasks it depends on', v_circle),
      'Depend only on tasks that do not wait for this one'
    );
  end if;
end;
$$;

-- Whether a task waits, directly or through others of its owner, for another one; a task that waits for itself can
-- never run. Called under the owner's lock, so that of two changes that close a cycle together the second sees the
-- first.
create function fairlane_core.waits_for(p_task_id uuid, p_other_id uuid, p_user_id uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    with recursive above (task_id) as (
      select d.depends_on from fairlane_core.task_dependencies as d where d.task_id = p_task_id
      union
      select n.depends_on
      from above as a
        -- By key, one step after the other (enforced by offset 0); as joins, a plan from when the queue was small would
        -- scan all dependencies, or all tasks of the owner, at each step of a long chain.
        cross join lateral (
          select d.depends_on from fairlane_core.task_dependencies as d where d.task_id = a.task_id offset 0
        ) as n
      where (select t.user_id = p_user_id from fairlane.tasks as t where t.id = a.task_id)
    )
    select from above as a where a.task_id = p_other_id
  );
end;
$$;

-- Moves this owner's queued tasks, and replaced children, that wait for the first task to the second one.
create function fairlane_core.move_dependents(p_from uuid, p_to uuid, p_user_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[];
begin
  select array_agg(t.id)
  into v_waiting
  from fairlane.tasks as t
  where t.id = any (array(select d.task_id from fairlane_core.task_dependencies as d where d.depends_on = p_from))
    and t.status = 'Queued'
    and t.user_id = p_user_id
    and t.id <> p_to;

  -- Also children that were cancelled because they were replaced: they may be requeued. Only their dependencies are
  -- changed, since no task may be locked while an owner is; fairlane_core.requeue_lost_part updates the task itself.
  update fairlane_core.task_dependencies as d
  set depends_on = p_to
  where d.depends_on = p_from
    and d.task_id <> p_to
    and exists (
      select
      from fairlane_core.subtasks as s
      where s.task_id = d.task_id and s.user_id = p_user_id and s.replaced_by is not null
    )
    and not exists (select from fairlane_core.task_dependencies as e where e.task_id = d.task_id and e.depends_on = p_to);
  -- Tasks that already wait for both: the remaining dependency on the first would count as lost.
  delete from fairlane_core.task_dependencies as d
  where d.depends_on = p_from
    and d.task_id <> p_to
    and exists (
      select
      from fairlane_core.subtasks as s
      where s.task_id = d.task_id and s.user_id = p_user_id and s.replaced_by is not null
    );

  if v_waiting is null then
    return;
  end if;

  delete from fairlane_core.task_dependencies as d where d.depends_on = p_from and d.task_id = any (v_waiting);
  insert into fairlane_core.task_dependencies (task_id, depends_on)
  select w.id, p_to
  from unnest(v_waiting) as w (id)
  on conflict do nothing;

  update fairlane.tasks as t
  set dependant_on = case when t.dependant_on = p_from then p_to else t.dependant_on end,
    readiness = null
  where t.id = any (v_waiting)
    and t.status = 'Queued';
end;
$$;
