-- An orchestrator that has enqueued everything, or that has said so in this start while there are no children, needs no
-- worker any more, and takes none of its owner's places for orchestration. By children that are not there it is not judged
-- (queue.is_enqueued). The caller holds the locks on the task and its owner.
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
    and (p_family.enqueued_attempt = p_task.attempts or queue.is_enqueued(p_family, p_task)) then
    perform queue.hand_over(p_task);
  end if;
end;
$$;

comment on function queue.note_handover(queue.orchestrations, public.tasks) is
  'Frees the place of this running orchestration task once it has enqueued everything, or has said so.';

revoke all on function queue.note_handover(queue.orchestrations, public.tasks) from public, anon, authenticated, service_role;
