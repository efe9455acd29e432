-- Tasks that are no children of their orchestrators any more, because they were deleted or are somebody else's now.
-- Deployed clients delete what they think is a duplicate, and that may be the child that counts: then the one that it had
-- replaced counts again, and is put back if it was cancelled for it. The caller holds the locks of all of them.
create function queue.take_out_children(p_task_ids uuid[], p_statuses text[])
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_gone record;
  v_heir queue.subtasks;
  v_heir_task public.tasks;
  v_orchestrators uuid[];
begin
  -- What was complete stays complete when a part of it goes: nobody will enqueue that part again.
  update queue.orchestrations as o
  set enqueued_attempt = t.attempts
  from public.tasks as t
  where o.orchestrator_id = any (array(
      select s.orchestrator_id from queue.subtasks as s where s.task_id = any (p_task_ids) and s.replaced_by is null
    ))
    and o.ended_as is null
    and t.id = o.orchestrator_id
    and t.status = 'In Progress'
    and o.enqueued_attempt is distinct from t.attempts
    and queue.is_enqueued(o, t);

  -- One child by its key: a join may compare each with each.
  with gone as materialized (
    select c.orchestrator_id, c.user_id, c.final_rank, g.status
    from unnest(p_task_ids, p_statuses) as g (task_id, status)
      cross join lateral (
        select s.* from queue.subtasks as s where s.task_id = g.task_id and s.replaced_by is null limit 1
      ) as c
  ),
  change as materialized (
    select
      g.orchestrator_id,
      g.user_id,
      count(*) filter (where g.status in ('Queued', 'In Progress'))::integer as open,
      count(*) filter (where g.status = 'Complete')::integer as complete,
      count(*) filter (where g.status = 'Failed')::integer as failed,
      count(*) filter (where g.status = 'Cancelled')::integer as cancelled,
      count(*) filter (where g.final_rank = 1)::integer as segments,
      count(*) filter (where g.final_rank = 2)::integer as joins,
      count(*) filter (where g.final_rank = 3)::integer as stitches
    from gone as g
    group by g.orchestrator_id, g.user_id
  ),
  -- Each family once, however many go: every change of a row leaves a version that the next one has to pass.
  counted as (
    update queue.orchestrations as o
    set open_count = o.open_count - c.open,
      complete_count = o.complete_count - c.complete,
      failed_count = o.failed_count - c.failed,
      cancelled_count = o.cancelled_count - c.cancelled,
      segment_count = o.segment_count - c.segments,
      join_count = o.join_count - c.joins,
      stitch_count = o.stitch_count - c.stitches,
      changed_at = queue.now()
    from change as c
    where o.orchestrator_id = c.orchestrator_id
      and o.user_id = c.user_id
  )
  select array_agg(distinct c.orchestrator_id order by c.orchestrator_id) into v_orchestrators from change as c;

  -- Most have neither replaced another one nor been replaced.
  delete from queue.subtasks as s
  where s.task_id = any (p_task_ids)
    and s.replaced_by is null
    and not exists (select from queue.subtasks as r where r.replaced_by = s.task_id);

  for v_gone in
    select c.child, o.ended_as
    from unnest(p_task_ids) as g (task_id)
      cross join lateral (select s as child from queue.subtasks as s where s.task_id = g.task_id limit 1) as c
      left join queue.orchestrations as o
        on o.orchestrator_id = (c.child).orchestrator_id and o.user_id = (c.child).user_id
  loop
    delete from queue.subtasks as s where s.task_id = (v_gone.child).task_id;
    if (v_gone.child).replaced_by is not null then
      -- Whoever waited for a copy may as well wait for the child that counts.
      perform queue.move_dependants((v_gone.child).task_id, (v_gone.child).replaced_by, (v_gone.child).user_id);
      continue;
    end if;

    select s.*
    into v_heir
    from queue.subtasks as s
      join public.tasks as t on t.id = s.task_id
    where s.replaced_by = (v_gone.child).task_id
    order by t.status = 'Complete' desc, s.seq
    limit 1;
    continue when v_heir.task_id is null;

    update queue.subtasks as s
    set replaced_by = case when s.task_id <> v_heir.task_id then v_heir.task_id end
    where s.replaced_by = (v_gone.child).task_id;
    perform queue.move_dependants((v_gone.child).task_id, v_heir.task_id, v_heir.user_id);

    select t.* into v_heir_task from public.tasks as t where t.id = v_heir.task_id;
    perform queue.count_child(v_heir, v_heir_task.status, 1);
    if v_heir_task.status = 'Cancelled' and v_gone.ended_as is null then
      perform queue.put_back_part(v_heir.task_id, (v_gone.child).task_id);
    end if;
  end loop;

  return coalesce(v_orchestrators, array[]::uuid[]);
end;
$$;

comment on function queue.take_out_children(uuid[], text[]) is
  'Takes these tasks, which have or had these statuses, out of their families, lets replaced ones take their places again, and returns the orchestrators that are to be judged anew. Call it under the owners'' locks.';

revoke all on function queue.take_out_children(uuid[], text[]) from public, anon, authenticated, service_role;
