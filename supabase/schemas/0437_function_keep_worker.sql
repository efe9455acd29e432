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
      metadata = queue.metadata_without_end(w.metadata)
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
