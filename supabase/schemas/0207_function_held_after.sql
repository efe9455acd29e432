-- The slot that a start keeps which has just ended: whose holder is there and did not end it itself. Who ends a task for
-- its holder says so in queue.let_go (queue.ends_itself). An operator who works on the database itself frees at once what
-- they end.
create function queue.held_after(
  p_task_id uuid, p_user_id uuid, p_pool text, p_takes_slot boolean, p_worker_id text, p_token_id uuid, p_lease_token uuid,
  p_attempt integer, p_billed_from timestamptz, p_now timestamptz
)
returns queue.held_slots
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_held queue.held_slots;
begin
  if p_worker_id is null
    or queue.actor() = session_user::text
    or p_task_id = any (nullif(current_setting('queue.let_go', true), '')::uuid[])
    or (not p_takes_slot and queue.is_handed_over(p_task_id, p_lease_token))
    or (
      p_token_id is null
      and exists (select from public.workers as w where w.id = p_worker_id and w.status in ('terminated', 'error', 'crashed'))
    )
    -- An owner that goes takes everything along.
    or not exists (select from public.users as u where u.id = p_user_id) then
    return null;
  end if;
  v_held.task_id := p_task_id;
  v_held.user_id := p_user_id;
  v_held.pool := p_pool;
  v_held.takes_slot := p_takes_slot;
  v_held.worker_id := p_worker_id;
  v_held.token_id := p_token_id;
  v_held.lease_token := p_lease_token;
  v_held.attempt := p_attempt;
  -- What an owner ends early is paid for until the machine lets go; the service knows what it does.
  if p_token_id is null and queue.actor() ~ '^(user|token):' then
    v_held.billed_from := p_billed_from;
  end if;
  v_held.held_since := p_now;
  v_held.held_until := p_now + (select s.held_slot_limit from queue.settings as s);
  return v_held;
end;
$$;

comment on function queue.held_after(uuid, uuid, text, boolean, text, uuid, uuid, integer, timestamptz, timestamptz) is
  'What queue.held_slots is to hold of this start, which has just ended; null = nothing.';

revoke all on function queue.held_after(uuid, uuid, text, boolean, text, uuid, uuid, integer, timestamptz, timestamptz) from public, anon, authenticated, service_role;
