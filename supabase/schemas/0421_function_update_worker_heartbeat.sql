-- The beat of clients that send no logs.
create function public.func_update_worker_heartbeat(json)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  perform queue.worker_heartbeat($1);
exception when lock_not_available then
  perform queue.refuse_while_locked();
end;
$$;

comment on function public.func_update_worker_heartbeat(json) is
  'A worker''s beat without logs. The whole body: {worker_id_param, vram_total_mb_param, vram_used_mb_param}. Answers nothing. Errors: 400 INVALID_ARGUMENT without a worker id. service_role only.';

revoke all on function public.func_update_worker_heartbeat(json) from public, anon, authenticated, service_role;
grant execute on function public.func_update_worker_heartbeat(json) to service_role;
