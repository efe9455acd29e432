-- Orchestrators set aside machines that they did not rent: those without metadata.runpod_id. Their word stands, so such a
-- machine gets no work, and it would be set aside again at their next cycle. Whoever started it by hand says so here.
create function queue.keep_worker(p_caller jsonb, p_worker_id text, p_keep boolean)
returns json
language plpgsql
volatile
security definer -- writes kept_at, which no API role may
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_worker public.workers;
begin
  perform queue.resolve_caller(p_caller, array['service']);

  update public.workers as w
  set kept_at = case when coalesce(p_keep, true) then queue.now() end
  where w.id = p_worker_id
  returning w.* into v_worker;
  if not found then
    perform queue.refuse(
      404, 'WORKER_NOT_FOUND', pg_catalog.format('There is no worker %s', p_worker_id), 'Its first beat announces it'
    );
  end if;

  if v_worker.kept_at is not null and v_worker.status in ('terminating', 'terminated', 'error', 'crashed') then
    update public.workers as w
    set status = 'active',
      metadata = w.metadata - '{error_reason,error_time,termination_reason}'::text[]
        || jsonb_build_object('last_error_reason', w.metadata -> 'error_reason')
    where w.id = p_worker_id
    returning w.* into v_worker;
  end if;

  return json_build_object('worker_id', v_worker.id, 'status', v_worker.status, 'kept_at', v_worker.kept_at);
end;
$$;

comment on function queue.keep_worker(jsonb, text, boolean) is 'See public.keep_worker.';

revoke all on function queue.keep_worker(jsonb, text, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.keep_worker(jsonb, text, boolean) to service_role;

create function public.keep_worker(p_worker_id text, p_keep boolean default true, p_caller jsonb default '{"kind":"service"}')
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.keep_worker(p_caller, p_worker_id, p_keep);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.keep_worker(text, boolean, jsonb) is
  'Brings a worker back that somebody set aside, and keeps it: while it beats, no direct write of the service key sets it to terminating, terminated or error. With p_keep false orchestrators may set it aside again. Out: {worker_id, status, kept_at}. Errors: 404 WORKER_NOT_FOUND, 403. service_role only.';

revoke all on function public.keep_worker(text, boolean, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.keep_worker(text, boolean, jsonb) to service_role;
