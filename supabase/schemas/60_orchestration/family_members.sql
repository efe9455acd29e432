-- Who belongs to which family: children are added, removed, or move.

-- New and regrouped tasks find their families: as children, and as orchestrators whose children came first. The caller
-- holds the owners' locks and those of fairlane_core.lock_families.
-- Records these new children, and lets them replace earlier ones; counts the families of new orchestrators.
create function fairlane_core.join_families(p_task_ids uuid[], p_children fairlane_core.subtasks[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_children uuid[];
  v_orchestrators uuid[];
  v_missing uuid[];
  v_child_id uuid;
  v_orchestrator_id uuid;
  v_orphaned fairlane_core.task_end[];
begin
  -- In the order of their parts; within one statement the order of arrival is unknown.
  insert into fairlane_core.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
  select c.task_id, c.orchestrator_id, c.user_id, c.task_type, c.final_rank, c.part_index
  from unnest(p_children) as c
  order by c.final_rank, c.part_index, c.task_id
  on conflict do nothing;

  select array_agg(c.task_id), array_agg(distinct c.orchestrator_id)
  into v_children, v_orchestrators
  from unnest(p_children) as c;

  update fairlane_core.orchestrations as o
  set open_count = o.open_count + n.open,
    complete_count = o.complete_count + n.complete,
    failed_count = o.failed_count + n.failed,
    cancelled_count = o.cancelled_count + n.cancelled,
    part_count = o.part_count + n.parts,
    merge_count = o.merge_count + n.merges,
    final_count = o.final_count + n.finals,
    changed_at = fairlane_core.now()
  from (
    select
      c.orchestrator_id, c.user_id,
      count(*) filter (where t.status in ('Queued', 'In Progress')) as open,
      count(*) filter (where t.status = 'Complete') as complete,
      count(*) filter (where t.status = 'Failed') as failed,
      count(*) filter (where t.status = 'Cancelled') as cancelled,
      count(*) filter (where c.final_rank = 1) as parts,
      count(*) filter (where c.final_rank = 2) as merges,
      count(*) filter (where c.final_rank = 3) as finals
    from unnest(p_children) as c
      join fairlane.tasks as t on t.id = c.task_id
    group by 1, 2
  ) as n
  where o.orchestrator_id = n.orchestrator_id
    and o.user_id = n.user_id;

  -- A family's first children, or an orchestrator that arrives after them.
  select array_agg(m.id)
  into v_missing
  from (
    select c.id from unnest(v_orchestrators) as c (id)
    union
    select n.id
    from unnest(p_task_ids) as n (id)
    where exists (select from fairlane_core.subtasks as s where s.orchestrator_id = n.id)
  ) as m
  where not exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = m.id);
  if v_missing is not null then
    insert into fairlane_core.orchestrations
    select r.* from fairlane_core.recount_families(v_missing) as r
    on conflict do nothing;
  end if;

  for v_child_id in
    select n.task_id
    from fairlane_core.subtasks as n
    where n.task_id = any (v_children)
      and (select t.status = 'Queued' from fairlane.tasks as t where t.id = n.task_id)
      and exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = n.orchestrator_id and o.user_id = n.user_id)
      and exists (
        select
        from fairlane_core.subtasks as s
        where s.orchestrator_id = n.orchestrator_id
          and s.user_id = n.user_id
          and s.final_rank = n.final_rank
          and s.part_index = n.part_index
          and s.replaced_by is null
          and s.seq < n.seq
      )
    order by n.seq
  loop
    perform fairlane_core.replace_part(v_child_id);
  end loop;

  -- Too late for a cancelled orchestrator, and for a failed one if its children fail with it: a regrouped child that
  -- already runs is not ended.
  select array_agg((
    s.task_id, s.user_id, o.ended_as,
    pg_catalog.format(
      'Cascaded failed from related task %s: it %s before this child came', s.orchestrator_id,
      case o.ended_as when 'Failed' then 'had Failed' else 'was Cancelled' end
    )
  )::fairlane_core.task_end)
  into v_orphaned
  from fairlane_core.subtasks as s
    join fairlane_core.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
  where s.task_id = any (v_children)
    and s.replaced_by is null
    and (
      o.ended_as = 'Cancelled'
      or (
        o.ended_as = 'Failed'
        and (select g.fails_siblings from fairlane_core.settings as g)
        and (select t.status = 'Queued' from fairlane.tasks as t where t.id = s.task_id)
      )
    );
  if v_orphaned is not null then
    perform fairlane_core.end_tasks(v_orphaned);
  end if;

  for v_orchestrator_id in select o.id from unnest(v_orchestrators || v_missing) as o (id) order by o.id loop
    perform fairlane_core.finish_orchestrator(v_orchestrator_id);
  end loop;
end;
$$;

-- Deleted tasks leave their families, and the children of a deleted orchestrator are cancelled. An orchestrator that
-- has lost its last child is cancelled, too; otherwise its remaining children decide. The caller holds the locks of all
-- of them.
-- Removes deleted tasks, which had these statuses, from their families, and ends what ends with them.
create function fairlane_core.leave_families(p_task_ids uuid[], p_statuses text[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_orchestrators uuid[];
  v_orchestrator_id uuid;
begin
  v_orchestrators := fairlane_core.take_out_children(p_task_ids, p_statuses);

  perform fairlane_core.cancel_children(p_task_ids, 'deleted');
  delete from fairlane_core.orchestrations as o where o.orchestrator_id = any (p_task_ids);

  foreach v_orchestrator_id in array v_orchestrators loop
    perform fairlane_core.finish_orchestrator(v_orchestrator_id);
    perform fairlane_core.cancel_childless(v_orchestrator_id, 'all children were deleted');
  end loop;
end;
$$;

-- Tasks whose params, type or owner have changed, so that they are now part of something else: they leave their
-- families, as deleted ones would, and join those that they name. The caller holds the locks of
-- fairlane_core.lock_families and of the owners.
create function fairlane_core.regroup(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_statuses text[];
  v_children fairlane_core.subtasks[];
  v_left uuid[];
  v_orchestrator_id uuid;
begin
  select array_agg(t.status order by i.place)
  into v_statuses
  from unnest(p_task_ids) with ordinality as i (id, place)
    left join fairlane.tasks as t on t.id = i.id;

  v_left := fairlane_core.take_out_children(p_task_ids, v_statuses);

  select array_agg(c.child)
  into v_children
  from (
    select fairlane_core.subtask_of(t.id, t.user_id, t.task_type, t.params) as child
    from fairlane.tasks as t
    where t.id = any (p_task_ids)
  ) as c
  where (c.child).task_id is not null;
  if v_children is not null then
    perform fairlane_core.join_families(null, v_children);
  end if;

  foreach v_orchestrator_id in array v_left loop
    perform fairlane_core.finish_orchestrator(v_orchestrator_id);
    perform fairlane_core.cancel_childless(v_orchestrator_id, 'all children were taken away from it');
  end loop;
end;
$$;

-- What a task is part of, and which part, from its params.
-- The row of fairlane_core.subtasks that follows from a task's params; null when they name no orchestrator.
create function fairlane_core.subtask_of(p_task_id uuid, p_user_id uuid, p_task_type text, p_params jsonb)
returns fairlane_core.subtasks
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_orchestrator_id uuid := fairlane_core.parent_task_id(p_params);
  v_subtask fairlane_core.subtasks;
begin
  if v_orchestrator_id is null or v_orchestrator_id = p_task_id or p_user_id is null then
    return null;
  end if;

  v_subtask.task_id := p_task_id;
  v_subtask.orchestrator_id := v_orchestrator_id;
  v_subtask.user_id := p_user_id;
  v_subtask.task_type := p_task_type;
  select p.final_rank, p.part_index
  into v_subtask.final_rank, v_subtask.part_index
  from fairlane_core.part_of(p_task_type, p_params) as p;
  return v_subtask;
end;
$$;

-- Adds p_delta (one child more or less) to the counts of an orchestrator's children in this status and of this kind.
create function fairlane_core.count_child(p_child fairlane_core.subtasks, p_status text, p_delta integer)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update fairlane_core.orchestrations as o
  set open_count = o.open_count + case when p_status in ('Queued', 'In Progress') then p_delta else 0 end,
    complete_count = o.complete_count + case when p_status = 'Complete' then p_delta else 0 end,
    failed_count = o.failed_count + case when p_status = 'Failed' then p_delta else 0 end,
    cancelled_count = o.cancelled_count + case when p_status = 'Cancelled' then p_delta else 0 end,
    part_count = o.part_count + case when p_child.final_rank = 1 then p_delta else 0 end,
    merge_count = o.merge_count + case when p_child.final_rank = 2 then p_delta else 0 end,
    final_count = o.final_count + case when p_child.final_rank = 3 then p_delta else 0 end,
    changed_at = fairlane_core.now()
  where o.orchestrator_id = p_child.orchestrator_id
    and o.user_id = p_child.user_id;
end;
$$;
