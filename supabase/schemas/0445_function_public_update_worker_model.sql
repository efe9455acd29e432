-- Which model a worker has loaded, as functions report it.
create function public.update_worker_model(p_caller jsonb, p_worker_id text, p_model text)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.update_worker_model(p_caller, p_worker_id, p_model);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.update_worker_model(jsonb, text, text) is
  'Notes the model that a worker has loaded: {worker_id, current_model}. Errors: 404 WORKER_NOT_FOUND, 400 INVALID_ARGUMENT, 403 for all but the service. service_role only.';

revoke all on function public.update_worker_model(jsonb, text, text) from public, anon, authenticated, service_role;
grant execute on function public.update_worker_model(jsonb, text, text) to service_role;
