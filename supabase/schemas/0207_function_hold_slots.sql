-- Remembers slots that are held. They are counted already (queue.shift_load); the caller holds the owners' locks.
create function queue.hold_slots(p_held queue.held_slots[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into queue.held_slots (
    task_id, user_id, pool, takes_slot, worker_id, token_id, lease_token, attempt, billed_from, held_since, held_until
  )
  select
    h.task_id, h.user_id, h.pool, h.takes_slot, h.worker_id, h.token_id, h.lease_token, h.attempt, h.billed_from,
    h.held_since, h.held_until
  from unnest(p_held) as h;
end;
$$;

comment on function queue.hold_slots(queue.held_slots[]) is 'Stores these rows of queue.held_slots.';

revoke all on function queue.hold_slots(queue.held_slots[]) from public, anon, authenticated, service_role;
