-- Hands a queued task out: a new lease, one more attempt. The task and its owner's slots are locked by the caller.
-- It keeps the counters itself instead of leaving them to tasks_after_update (which does not run while
-- queue.counts_itself is on); what it must come to is the same, and queue.drift says whether it did.
-- queue.claim_next_task says the same once more for the plain claim.
create function queue.start_task(p_task_id uuid, p_worker_id text, p_token_id uuid, p_claim_id text, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
  v_slots queue.user_slots;
  v_slot integer;
  v_cloud integer;
  v_by_key integer;
  v_turn_load integer;
  v_room integer;
begin
  perform set_config('queue.counts_itself', 'on', true);
  update public.tasks as t
  set status = 'In Progress',
    standing = 'active',
    worker_id = p_worker_id,
    token_id = p_token_id,
    claim_id = p_claim_id,
    lease_token = gen_random_uuid(),
    attempts = t.attempts + 1,
    claimed_at = p_now,
    generation_started_at = p_now,
    delivered_at = null,
    updated_at = p_now
  where t.id = p_task_id
  returning t.* into v_task;
  perform set_config('queue.counts_itself', 'off', true);

  v_slot := v_task.takes_slot::integer;
  update queue.user_slots as s
  set running = s.running + v_slot,
    orchestrating = s.orchestrating + 1 - v_slot,
    cloud_reason = coalesce(nullif(s.cloud_reason, 'user_at_limit'), case when s.running + v_slot >= s.task_limit then 'user_at_limit' end),
    local_reason = coalesce(nullif(s.local_reason, 'user_at_limit'), case when s.running + v_slot >= s.task_limit then 'user_at_limit' end)
  where s.user_id = v_task.user_id
  returning s.* into v_slots;
  v_turn_load := v_slots.running + v_slots.orchestrating + v_slots.remembered;
  v_room := greatest(v_slots.orchestration_limit - v_slots.orchestrating, 0);

  -- All of the owner's lines: the task leaves one, and what runs has changed for either.
  v_cloud := (v_task.run_type = 'cloud')::integer;
  v_by_key := (p_token_id is null)::integer;
  update queue.user_lines as l
  set ready_cloud = l.ready_cloud - v_cloud * v_slot,
    ready_cloud_orchestration = l.ready_cloud_orchestration - v_cloud * (1 - v_slot),
    ready_local = l.ready_local - (1 - v_cloud) * v_slot,
    ready_local_orchestration = l.ready_local_orchestration - (1 - v_cloud) * (1 - v_slot),
    active_cloud = l.active_cloud + v_by_key * v_slot,
    active_cloud_orchestration = l.active_cloud_orchestration + v_by_key * (1 - v_slot),
    active_local = l.active_local + (1 - v_by_key) * v_slot,
    active_local_orchestration = l.active_local_orchestration + (1 - v_by_key) * (1 - v_slot),
    running = v_slots.running,
    turn_load = v_turn_load,
    orchestration_room = v_room,
    is_open = v_slots.cloud_reason is null
      and (
        l.ready_cloud - v_cloud * v_slot > 0
        or (v_room > 0 and l.ready_cloud_orchestration - v_cloud * (1 - v_slot) > 0)
      ),
    turn_at = case when p_token_id is null then p_now else l.turn_at end
  where l.user_id = v_task.user_id
    and l.pool = v_task.pool;

  update queue.user_lines as l
  set running = v_slots.running,
    turn_load = v_turn_load,
    orchestration_room = v_room,
    is_open = v_slots.cloud_reason is null and (l.ready_cloud > 0 or v_room > 0)
  where l.user_id = v_task.user_id
    and l.pool <> v_task.pool
    and l.ready_cloud + l.ready_cloud_orchestration > 0;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
  values (
    v_task.id, v_task.user_id, p_now, 'Queued', 'In Progress', p_worker_id, v_task.attempts,
    coalesce('token:' || p_token_id, 'service')
  );

  return v_task;
end;
$$;

comment on function queue.start_task(uuid, text, uuid, text, timestamptz) is
  'Makes this worker (and token, and claim request) the holder of a queued task under a new lease, counts the start and the slot.';

revoke all on function queue.start_task(uuid, text, uuid, text, timestamptz) from public, anon, authenticated, service_role;
