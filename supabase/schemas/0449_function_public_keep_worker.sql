-- A machine that somebody started by hand is kept, or let go of.
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
  'Brings a worker back that somebody set aside, and keeps it: while it beats (an api worker always), no direct write of the service key sets it to terminating, terminated or error. With p_keep false orchestrators may set it aside again. Out: {worker_id, status, kept_at}. Errors: 404 WORKER_NOT_FOUND, 403. service_role only.';

revoke all on function public.keep_worker(text, boolean, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.keep_worker(text, boolean, jsonb) to service_role;
