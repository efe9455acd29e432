-- A second start of a task that its holder already has: a new lease, one more attempt.
create function queue.restart_task(p_task_id uuid, p_claim_id text, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  update public.tasks as t
  set claim_id = p_claim_id,
    lease_token = gen_random_uuid(),
    attempts = t.attempts + 1,
    claimed_at = p_now,
    generation_started_at = p_now,
    delivered_at = null,
    seen_at = null,
    is_beaten_for = false
  where t.id = p_task_id
  returning t.* into v_task;
  return v_task;
end;
$$;

comment on function queue.restart_task(uuid, text, timestamptz) is
  'Gives a running task to the same holder anew: another lease, one more attempt.';

revoke all on function queue.restart_task(uuid, text, timestamptz) from public, anon, authenticated, service_role;
