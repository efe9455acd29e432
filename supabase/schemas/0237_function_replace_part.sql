-- An orchestrator that runs again enqueues its children again, under new ids. What is done stays done: then the new
-- child is Complete at once, with the same output and no result record of its own. What is not done is cancelled, and
-- whoever waited for it waits for the new child.
create function queue.replace_part(p_task_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_new queue.subtasks;
  v_old queue.subtasks;
  v_old_task public.tasks;
begin
  select s.* into v_new from queue.subtasks as s where s.task_id = p_task_id;

  select s.*
  into v_old
  from queue.subtasks as s
  where s.orchestrator_id = v_new.orchestrator_id
    and s.final_rank = v_new.final_rank
    and s.part_index = v_new.part_index
    and s.task_type = v_new.task_type
    and s.user_id = v_new.user_id
    and s.replaced_by is null
    and s.seq < v_new.seq
  order by s.seq desc
  limit 1;

  if v_old.task_id is null then
    return;
  end if;

  select t.* into v_old_task from public.tasks as t where t.id = v_old.task_id;
  -- Who waits for the old one does not stand in for it.
  if v_old_task.id is null or queue.waits_for(v_new.task_id, v_old.task_id, v_new.user_id) then
    return;
  end if;

  if v_old_task.status = 'Complete' then
    update queue.subtasks as s set replaced_by = v_old.task_id where s.task_id = v_new.task_id;
    perform queue.count_child(v_new, 'Queued', -1);
    -- Proof of a start, which a result needs.
    update public.tasks as t set claimed_at = queue.now() where t.id = v_new.task_id;
    perform queue.complete_for(
      v_new.task_id, v_old_task, pg_catalog.format('the same part is Complete already, as task %s', v_old.task_id)
    );
    update public.tasks as t set generation_created = false where t.id = v_new.task_id;
    return;
  end if;

  update queue.subtasks as s
  set replaced_by = v_new.task_id
  where s.task_id = v_old.task_id or s.replaced_by = v_old.task_id;
  perform queue.count_child(v_old, v_old_task.status, -1);
  perform queue.move_dependants(v_old.task_id, v_new.task_id, v_new.user_id);
  perform queue.end_tasks(array[(
    v_old.task_id, v_old.user_id, 'Cancelled', pg_catalog.format('replaced by %s', v_new.task_id)
  )::queue.task_end]);
end;
$$;

comment on function queue.replace_part(uuid) is
  'Lets a new child take the place of the one that is the same part under another id, or the place beside it when that is Complete. Call it under the locks of both and of their owner.';

revoke all on function queue.replace_part(uuid) from public, anon, authenticated, service_role;
