-- New tasks, and those that are parts of something else now, find their families: as children, and as orchestrators whose
-- children came first. The caller holds the owners' locks and those of queue.lock_families.
create function queue.join_families(p_task_ids uuid[], p_children queue.subtasks[])
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
  v_orphaned queue.task_end[];
begin
  -- In the order of their parts; who came first is not known within one statement.
  insert into queue.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
  select c.task_id, c.orchestrator_id, c.user_id, c.task_type, c.final_rank, c.part_index
  from unnest(p_children) as c
  order by c.final_rank, c.part_index, c.task_id
  on conflict do nothing;

  select array_agg(c.task_id), array_agg(distinct c.orchestrator_id)
  into v_children, v_orchestrators
  from unnest(p_children) as c;

  update queue.orchestrations as o
  set open_count = o.open_count + n.open,
    complete_count = o.complete_count + n.complete,
    failed_count = o.failed_count + n.failed,
    cancelled_count = o.cancelled_count + n.cancelled,
    segment_count = o.segment_count + n.segments,
    join_count = o.join_count + n.joins,
    stitch_count = o.stitch_count + n.stitches,
    changed_at = queue.now()
  from (
    select
      c.orchestrator_id, c.user_id,
      count(*) filter (where t.status in ('Queued', 'In Progress')) as open,
      count(*) filter (where t.status = 'Complete') as complete,
      count(*) filter (where t.status = 'Failed') as failed,
      count(*) filter (where t.status = 'Cancelled') as cancelled,
      count(*) filter (where c.final_rank = 1) as segments,
      count(*) filter (where c.final_rank = 2) as joins,
      count(*) filter (where c.final_rank = 3) as stitches
    from unnest(p_children) as c
      join public.tasks as t on t.id = c.task_id
    group by 1, 2
  ) as n
  where o.orchestrator_id = n.orchestrator_id
    and o.user_id = n.user_id;

  -- A family's first children, or an orchestrator that comes after them.
  select array_agg(m.id)
  into v_missing
  from (
    select c.id from unnest(v_orchestrators) as c (id)
    union
    select n.id
    from unnest(p_task_ids) as n (id)
    where exists (select from queue.subtasks as s where s.orchestrator_id = n.id)
  ) as m
  where not exists (select from queue.orchestrations as o where o.orchestrator_id = m.id);
  if v_missing is not null then
    insert into queue.orchestrations
    select r.* from queue.recount_families(v_missing) as r
    on conflict do nothing;
  end if;

  for v_child_id in
    select n.task_id
    from queue.subtasks as n
    where n.task_id = any (v_children)
      and (select t.status = 'Queued' from public.tasks as t where t.id = n.task_id)
      and exists (select from queue.orchestrations as o where o.orchestrator_id = n.orchestrator_id and o.user_id = n.user_id)
      and exists (
        select
        from queue.subtasks as s
        where s.orchestrator_id = n.orchestrator_id
          and s.user_id = n.user_id
          and s.final_rank = n.final_rank
          and s.part_index = n.part_index
          and s.replaced_by is null
          and s.seq < n.seq
      )
    order by n.seq
  loop
    perform queue.replace_part(v_child_id);
  end loop;

  -- Too late for a cancelled orchestrator, and for one that has failed where its children go with it: of those that run,
  -- and became parts of it since, none does.
  select array_agg((
    s.task_id, s.user_id, o.ended_as,
    pg_catalog.format(
      'Cascaded failed from related task %s: it %s before this child came', s.orchestrator_id,
      case o.ended_as when 'Failed' then 'had Failed' else 'was Cancelled' end
    )
  )::queue.task_end)
  into v_orphaned
  from queue.subtasks as s
    join queue.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
  where s.task_id = any (v_children)
    and s.replaced_by is null
    and (
      o.ended_as = 'Cancelled'
      or (
        o.ended_as = 'Failed'
        and (select g.fails_siblings from queue.settings as g)
        and (select t.status = 'Queued' from public.tasks as t where t.id = s.task_id)
      )
    );
  if v_orphaned is not null then
    perform queue.end_tasks(v_orphaned);
  end if;

  for v_orchestrator_id in select o.id from unnest(v_orchestrators || v_missing) as o (id) order by o.id loop
    perform queue.judge_orchestration(v_orchestrator_id);
  end loop;
end;
$$;

comment on function queue.join_families(uuid[], queue.subtasks[]) is
  'Records these new children, and lets them replace earlier ones; counts the families of new orchestrators.';

revoke all on function queue.join_families(uuid[], queue.subtasks[]) from public, anon, authenticated, service_role;
