-- An orchestrator has said that its children are enqueued. From here on it is judged by them, and it may be that they
-- have all ended already. The caller holds the lock on the task.
create function queue.note_enqueued(p_task_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  select t.* into v_task from public.tasks as t where t.id = p_task_id;
  if v_task.user_id is null
    or (v_task.takes_slot and not exists (select from queue.orchestrations as o where o.orchestrator_id = p_task_id)) then
    return; -- no orchestrator
  end if;

  perform from queue.user_slots as s where s.user_id = v_task.user_id for no key update;
  insert into queue.orchestrations as o (orchestrator_id, user_id, enqueued_attempt, changed_at)
  values (v_task.id, v_task.user_id, v_task.attempts, queue.now())
  on conflict (orchestrator_id) do update
    set enqueued_attempt = excluded.enqueued_attempt,
      changed_at = excluded.changed_at
    where o.enqueued_attempt is distinct from excluded.enqueued_attempt;
  perform queue.judge_orchestration(p_task_id);
end;
$$;

comment on function queue.note_enqueued(uuid) is
  'Remembers that this orchestrator has enqueued its children in its present start, and ends it if they have all ended. Nothing for other tasks.';

revoke all on function queue.note_enqueued(uuid) from public, anon, authenticated, service_role;
