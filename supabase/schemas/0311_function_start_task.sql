-- Hands a task out: a new lease, one more attempt. The row is locked by the caller.
create function queue.start_task(p_task_id uuid, p_worker_id text, p_token_id uuid, p_claim_id text)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_task public.tasks;
begin
  update public.tasks as t
  set status = 'In Progress',
    worker_id = p_worker_id,
    token_id = p_token_id,
    claim_id = p_claim_id,
    lease_token = gen_random_uuid(),
    attempts = t.attempts + 1,
    claimed_at = v_now,
    generation_started_at = v_now,
    delivered_at = null
  where t.id = p_task_id
  returning t.* into v_task;
  return v_task;
end;
$$;

comment on function queue.start_task(uuid, text, uuid, text) is
  'Makes this worker (and token, and claim request) the holder of the task under a new lease and counts the start.';

revoke all on function queue.start_task(uuid, text, uuid, text) from public, anon, authenticated, service_role;
