-- A running orchestration task needs no worker any more in this start, and gives its place back. The caller has seen that it
-- has not done so before, and holds the locks on the task and its owner.
create function queue.hand_over(p_task public.tasks)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into queue.handovers as h (orchestrator_id, lease_token)
  values (p_task.id, coalesce(p_task.lease_token, '00000000-0000-0000-0000-000000000000'))
  on conflict (orchestrator_id) do update
    set lease_token = excluded.lease_token;
  perform queue.move_slots(p_task.user_id, 0, -1, 0);
end;
$$;

comment on function queue.hand_over(public.tasks) is 'Frees the place of this running orchestration task.';

revoke all on function queue.hand_over(public.tasks) from public, anon, authenticated, service_role;
