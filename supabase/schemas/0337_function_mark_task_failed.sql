-- A failure that may be worth another try: back to the queue with a growing wait until the starts are used up, then
-- Failed. update_task_status with Failed, which deployed workers send, is final.
create function queue.mark_task_failed(
  p_caller jsonb,
  p_task_id uuid,
  p_error_message text,
  p_error_details text,
  p_retryable boolean,
  p_lease_token uuid
)
returns json
language plpgsql
volatile
security definer -- the queue's own path to Failed and back to the queue
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := queue.lock_task_for(v_caller, p_task_id, 'Failed');
  v_reply jsonb;
begin
  if p_lease_token is not null then
    perform queue.refuse_stale_lease(v_task, p_lease_token);
  end if;

  v_reply := queue.fail_task(
    v_caller, v_task, p_error_message, p_error_details,
    p_has_lease => p_lease_token is not null, p_may_retry => coalesce(p_retryable, true)
  );

  return v_reply || jsonb_build_object(
    'will_retry', v_reply ->> 'status' = 'Queued',
    'available_at', (select t.available_at from public.tasks as t where t.id = p_task_id and t.status = 'Queued')
  );
end;
$$;

comment on function queue.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) is 'See public.mark_task_failed.';

revoke all on function queue.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) to service_role;
