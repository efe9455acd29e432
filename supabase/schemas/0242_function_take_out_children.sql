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

  for v_gone in
    select s as child, p_statuses[array_position(p_task_ids, s.task_id)] as status, o.ended_as
    from queue.subtasks as s
      left join queue.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
    where s.task_id = any (p_task_ids)
  loop
    delete from queue.subtasks as s where s.task_id = (v_gone.child).task_id;
    if (v_gone.child).replaced_by is not null then
      -- Whoever waited for a copy may as well wait for the child that counts.
      perform queue.move_dependants((v_gone.child).task_id, (v_gone.child).replaced_by, (v_gone.child).user_id);
      continue;
    end if;

    perform queue.count_child(v_gone.child, v_gone.status, -1);
    v_orchestrators := v_orchestrators || (v_gone.child).orchestrator_id;

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

  return array(select distinct o.id from unnest(v_orchestrators) as o (id) order by o.id);
end;
$$;

comment on function queue.take_out_children(uuid[], text[]) is
  'Takes these tasks, which have or had these statuses, out of their families, lets replaced ones take their places again, and returns the orchestrators that are to be judged anew. Call it under the owners'' locks.';

revoke all on function queue.take_out_children(uuid[], text[]) from public, anon, authenticated, service_role;
