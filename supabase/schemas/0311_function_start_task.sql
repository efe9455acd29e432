-- Hands a queued task out: a new lease, one more attempt. The task and its owner's slots are locked by the caller.
-- This is the hot path, so it keeps the counters itself instead of leaving them to tasks_after_update (which does
-- nothing while queue.counts_itself is on); what it must come to is the same, and queue.drift says whether it did.
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
  v_may_run boolean;
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

  update queue.user_slots as s
  set running = s.running + v_task.takes_slot::integer
  where s.user_id = v_task.user_id
  returning s.* into v_slots;

  v_may_run := queue.user_reason(v_slots) is null;

  -- Both of the owner's lines: the task leaves one, what runs has changed for either.
  update queue.user_lines as l
  set ready_cloud = l.ready_cloud - m.cloud * m.slot,
    ready_cloud_orchestration = l.ready_cloud_orchestration - m.cloud * (1 - m.slot),
    ready_local = l.ready_local - m.local * m.slot,
    ready_local_orchestration = l.ready_local_orchestration - m.local * (1 - m.slot),
    active_cloud = l.active_cloud + m.by_key * m.slot,
    active_cloud_orchestration = l.active_cloud_orchestration + m.by_key * (1 - m.slot),
    active_local = l.active_local + m.by_token * m.slot,
    active_local_orchestration = l.active_local_orchestration + m.by_token * (1 - m.slot),
    running = v_slots.running,
    is_open = v_may_run and l.ready_cloud + l.ready_cloud_orchestration - m.cloud > 0,
    turn_at = case when m.by_key = 1 then p_now else l.turn_at end
  from (
    select
      p.pool,
      (p.pool = v_task.pool and v_task.run_type = 'cloud')::integer as cloud,
      (p.pool = v_task.pool and v_task.run_type = 'local')::integer as local,
      (p.pool = v_task.pool and p_token_id is null)::integer as by_key,
      (p.pool = v_task.pool and p_token_id is not null)::integer as by_token,
      v_task.takes_slot::integer as slot
    from (values ('gpu'), ('api')) as p (pool)
  ) as m
  where l.user_id = v_task.user_id
    and l.pool = m.pool;

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
