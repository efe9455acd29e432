-- The holder of a start that others had ended has let go: the slot is free, and what the start cost is known. Waits for
-- nobody: what somebody is just changing is left for the next time (queue.free_held_slots, each minute).
create function queue.let_go(p_held_id bigint, p_at timestamptz)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_held queue.held_slots;
  v_task public.tasks;
begin
  select h.* into v_held from queue.held_slots as h where h.id = p_held_id;

  -- The task before its owner, like everywhere.
  select t.* into v_task from public.tasks as t where t.id = v_held.task_id for no key update skip locked;
  if v_task.id is null and exists (select from public.tasks as t where t.id = v_held.task_id) then
    return false;
  end if;
  perform from queue.user_slots as s where s.user_id = v_held.user_id for no key update skip locked;
  if not found then
    return false;
  end if;

  update queue.held_slots as h
  set let_go_at = p_at,
    -- From here on it only counts for the turn, and not for long: to cancel once must not cost more than about one.
    held_until = least(h.held_until, p_at + (select s.turn_memory from queue.settings as s))
  where h.id = p_held_id
    and h.let_go_at is null;
  if not found then
    return false;
  end if;
  perform queue.move_slots(v_held.user_id, -v_held.takes_slot::integer, v_held.takes_slot::integer - 1, 1);

  -- A machine of the fleet is paid until it lets go, also when the owner has ended its task.
  if v_held.billed_from is not null then
    if v_task.lease_token = v_held.lease_token and v_task.status in ('Complete', 'Failed', 'Cancelled') then
      perform set_config('queue.bills', 'on', true);
      update public.tasks as t set generation_processed_at = p_at where t.id = v_task.id;
      perform set_config('queue.bills', 'off', true);
    end if;
    insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
    values (
      v_held.task_id, v_held.user_id, queue.now(), coalesce(v_task.status, 'In Progress'), coalesce(v_task.status, 'In Progress'),
      v_held.worker_id, v_held.attempt, 'queue.let_go',
      pg_catalog.format('its worker let go %s s after the end', queue.seconds_between(v_held.held_since, p_at)),
      jsonb_build_object('billed_from', v_held.billed_from, 'billed_to', p_at)
    );
  end if;
  return true;
end;
$$;

comment on function queue.let_go(bigint, timestamptz) is
  'Frees this slot, which is held since its task was ended by others, and writes down until when the machine is paid; false when it is free already or somebody is just changing the task or its owner.';

revoke all on function queue.let_go(bigint, timestamptz) from public, anon, authenticated, service_role;
