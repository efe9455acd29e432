-- An orchestrator that has enqueued everything needs no worker any more, and takes none of its owner's places for
-- orchestration. The caller holds the locks on the task and its owner.
create function queue.note_handover(p_family queue.orchestrations, p_task public.tasks)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_task.standing = 'active' and not p_task.takes_slot
    and not queue.is_handed_over(p_task.id, p_task.lease_token)
    and queue.is_enqueued(p_family, p_task) then
    insert into queue.handovers as h (orchestrator_id, lease_token)
    values (p_task.id, coalesce(p_task.lease_token, '00000000-0000-0000-0000-000000000000'))
    on conflict (orchestrator_id) do update
      set lease_token = excluded.lease_token;
    perform queue.move_slots(p_task.user_id, 0, -1, 0);
  end if;
end;
$$;

comment on function queue.note_handover(queue.orchestrations, public.tasks) is
  'Frees the place of this running orchestration task once it has enqueued everything.';

revoke all on function queue.note_handover(queue.orchestrations, public.tasks) from public, anon, authenticated, service_role;
