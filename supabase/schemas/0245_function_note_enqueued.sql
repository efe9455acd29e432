-- An orchestrator has said that its children are enqueued. From here on it is judged by them, and it may be that they
-- have all ended already, that somebody has deleted them all, or that there are none to come. The caller holds the lock on
-- the task.
create function queue.note_enqueued(p_task_id uuid, p_report text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
  v_had_children boolean;
  v_actor text := current_setting('queue.actor', true);
begin
  select t.* into v_task from public.tasks as t where t.id = p_task_id;
  if v_task.user_id is null
    or (
      v_task.takes_slot and not (queue.has_nothing_to_enqueue(p_report) and v_task.task_type like '%orchestrat%')
      and not exists (select from queue.orchestrations as o where o.orchestrator_id = p_task_id)
    ) then
    return; -- no orchestrator
  end if;

  perform from queue.user_slots as s where s.user_id = v_task.user_id for no key update;
  if queue.has_nothing_to_enqueue(p_report) and v_task.status = 'In Progress' and not exists (
    select from queue.subtasks as s where s.orchestrator_id = v_task.id and s.user_id = v_task.user_id
  ) then
    perform queue.say(queue.actor(), 'it has nothing to enqueue', jsonb_build_object('report', p_report));
    update public.tasks as t
    set status = 'Complete', output_location = null, error_message = null
    where t.id = v_task.id;
    perform queue.say(v_actor);
    return;
  end if;

  -- Families are counted from their first child on.
  v_had_children := exists (
    select from queue.orchestrations as o where o.orchestrator_id = v_task.id and o.enqueued_attempt is null
  );
  insert into queue.orchestrations as o (orchestrator_id, user_id, enqueued_attempt, changed_at)
  values (v_task.id, v_task.user_id, v_task.attempts, queue.now())
  on conflict (orchestrator_id) do update
    set enqueued_attempt = excluded.enqueued_attempt,
      changed_at = excluded.changed_at
    where o.enqueued_attempt is distinct from excluded.enqueued_attempt;
  perform queue.judge_orchestration(p_task_id);
  if v_had_children and p_report ~ '^(Successfully enqueued|\[IDEMPOTENT\])' then
    perform queue.cancel_childless(p_task_id, 'all children were deleted');
  end if;
end;
$$;

comment on function queue.note_enqueued(uuid, text) is
  'Remembers that this orchestrator has enqueued its children in its present start, and ends it if they have all ended or been deleted, or if it says (p_report) that there are none to come. Nothing for other tasks.';

revoke all on function queue.note_enqueued(uuid, text) from public, anon, authenticated, service_role;
