-- Which types tasks were enqueued with that the queue knows nothing of, as operators call it (docs/operations.md).
create function public.unknown_task_types(p_caller jsonb default '{"kind":"service"}')
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.unknown_task_types(p_caller);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.unknown_task_types(jsonb) is
  'Types without a row in task_types that tasks were enqueued with in the last seven days, up to a minute or two ago: {types: [{name, task_count, first_seen_at, last_seen_at, taken_for: {pool, category, content_type, creates_generation, is_active, is_retryable, max_attempts, timeout_seconds, runs_on_own_gpu}, remedy}], since}, the last seen first; at most 1000. Errors: 403, 503 UNAVAILABLE. service_role only.';

revoke all on function public.unknown_task_types(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.unknown_task_types(jsonb) to service_role;
