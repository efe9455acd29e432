-- Dead letters back into the queue, as operators call it (docs/operations.md).
create function public.requeue_tasks(
  p_task_ids uuid[] default null,
  p_filter jsonb default null,
  p_limit integer default null,
  p_reason text default null,
  p_dry_run boolean default false,
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
  return queue.requeue_tasks(p_caller, p_task_ids, p_filter, p_limit, p_reason, p_dry_run);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) is
  'Puts Failed or Cancelled tasks back into the queue, named by ids or by a filter {status, task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before}; all of the ids (at most 1000 at once, or p_limit: more are refused before anything changes), or of a filter at most p_limit (1 to 1000, default 100) per call, the longest dead first: has_more says that others match, too. Each keeps its attempts and gets as many more as its type allows; the reason is in its history. Out: {requeued, matched, task_ids, passed_over, has_more, dry_run}; passed_over are those that are not Failed or Cancelled, not there, or that somebody is just changing. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) to service_role;
