-- A holder that asks again for what it runs, and is not taken for one that never had the reply, has died of the task or
-- forgotten it: that is a start more, or the end of the task when it was the last.
create function queue.start_again(p_held public.tasks, p_claim_id text, p_now timestamptz, p_what text)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_reason text;
  v_task public.tasks;
begin
  if p_held.attempts < queue.starts_allowed(p_held) then
    update public.tasks as t
    set claim_id = p_claim_id,
      lease_token = gen_random_uuid(),
      attempts = t.attempts + 1,
      claimed_at = p_now,
      generation_started_at = p_now,
      delivered_at = null,
      seen_at = null,
      is_beaten_for = false
    where t.id = p_held.id
    returning t.* into v_task;
    return v_task;
  end if;

  v_reason := coalesce(queue.told_reason(p_held), pg_catalog.format(
    'Given up after %s starts: worker %s %s without finishing it', p_held.attempts, queue.sent_name(p_held.worker_id), p_what
  ));
  perform queue.ends_itself(p_held.id);
  update public.tasks as t
  set status = 'Failed',
    error_message = v_reason,
    output_location = v_reason,
    claim_id = nullif(t.claim_id, p_claim_id) -- the claim goes on under it
  where t.id = p_held.id;
  perform queue.ends_itself(null);
  return null;
end;
$$;

comment on function queue.start_again(public.tasks, text, timestamptz, text) is
  'Gives this running task, which the caller has locked, to its holder anew: another lease, one more start; or ends it as Failed after its last one, and returns null. p_what: what the holder did instead of finishing it, for the reason.';

revoke all on function queue.start_again(public.tasks, text, timestamptz, text) from public, anon, authenticated, service_role;
