-- Many tasks cancelled, a batch a call, as functions and operators ask for it.
create function public.cancel_tasks(
  p_filter jsonb,
  p_limit integer default 1000,
  p_reason text default null,
  p_caller jsonb default '{"kind":"service"}'
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.cancel_tasks(p_caller, p_filter, p_limit, p_reason);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.cancel_tasks(jsonb, integer, text, jsonb) is
  'Cancels live tasks that match every key of the filter {task_ids, status, task_type, user_id, project_id, orchestrator_task_id, created_before}; status is Queued (default) or In Progress. At most p_limit (1 to 1000) per call: repeat it while has_more is true. Tokens and users: their own. Out: {cancelled, passed_over, has_more}; passed_over are tasks that somebody is just changing. Safe to repeat. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.cancel_tasks(jsonb, integer, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.cancel_tasks(jsonb, integer, text, jsonb) to service_role;
