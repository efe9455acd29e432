-- Tasks have ended, or were put back: their families count it and follow. An orchestrator's end is remembered, its own
-- children go with it when it was cancelled, and it is judged when children of its have changed.
create function queue.settle_families(p_task_ids uuid[], p_from text[], p_to text[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changes queue.family_change[];
  v_change queue.family_change;
  v_cancelled uuid[];
  v_failed uuid[];
begin
  -- Most tasks have no family.
  if not exists (select from queue.subtasks as s where s.task_id = any (p_task_ids))
    and not exists (select from queue.orchestrations as o where o.orchestrator_id = any (p_task_ids)) then
    return;
  end if;

  with change as (
    select
      c.orchestrator_id,
      sum((m.new_status in ('Queued', 'In Progress'))::integer - (m.old_status in ('Queued', 'In Progress'))::integer)::integer as open,
      sum((m.new_status = 'Complete')::integer - (m.old_status = 'Complete')::integer)::integer as complete,
      sum((m.new_status = 'Failed')::integer - (m.old_status = 'Failed')::integer)::integer as failed,
      sum((m.new_status = 'Cancelled')::integer - (m.old_status = 'Cancelled')::integer)::integer as cancelled
    from unnest(p_task_ids, p_from, p_to) as m (task_id, old_status, new_status)
      -- One child by its key: a join may compare each with each.
      cross join lateral (
        select s.orchestrator_id, s.user_id
        from queue.subtasks as s
        where s.task_id = m.task_id
          and s.replaced_by is null
        limit 1
      ) as c
    where exists (
      select from queue.orchestrations as o where o.orchestrator_id = c.orchestrator_id and o.user_id = c.user_id
    )
    group by c.orchestrator_id
  )
  select array_agg((c.orchestrator_id, c.open, c.complete, c.failed, c.cancelled)::queue.family_change order by c.orchestrator_id)
  into v_changes
  from change as c;

  with ended as (
    update queue.orchestrations as o
    set ended_as = case when m.new_status in ('Complete', 'Failed', 'Cancelled') then m.new_status end
    from unnest(p_task_ids, p_to) as m (task_id, new_status)
    where o.orchestrator_id = m.task_id
    returning o.orchestrator_id, o.user_id, o.ended_as
  )
  select
    array_agg(e.orchestrator_id) filter (where e.ended_as = 'Cancelled'),
    array_agg(e.orchestrator_id) filter (where e.ended_as = 'Failed')
  into v_cancelled, v_failed
  from ended as e
  where e.ended_as in ('Cancelled', 'Failed')
    and e.user_id = (select t.user_id from public.tasks as t where t.id = e.orchestrator_id);

  if v_changes is not null then
    foreach v_change in array v_changes loop
      update queue.orchestrations as o
      set open_count = o.open_count + v_change.open,
        complete_count = o.complete_count + v_change.complete,
        failed_count = o.failed_count + v_change.failed,
        cancelled_count = o.cancelled_count + v_change.cancelled,
        changed_at = queue.now()
      where o.orchestrator_id = v_change.orchestrator_id;
    end loop;
    foreach v_change in array v_changes loop
      perform queue.judge_orchestration(v_change.orchestrator_id);
    end loop;
  end if;

  if v_cancelled is not null then
    perform queue.cancel_children(v_cancelled, 'Cancelled');
  end if;
  if v_failed is not null then
    perform queue.fail_children(v_failed);
  end if;
end;
$$;

comment on function queue.settle_families(uuid[], text[], text[]) is
  'Moves the counts of the families of these tasks, which went from one status to another, and does what follows from it. Call it under the owners'' locks.';

revoke all on function queue.settle_families(uuid[], text[], text[]) from public, anon, authenticated, service_role;
