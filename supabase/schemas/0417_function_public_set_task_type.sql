-- Adds or changes a type of task, as operators call it (docs/operations.md).
create function public.set_task_type(p_name text, p_changes jsonb default '{}', p_caller jsonb default '{"kind":"service"}')
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.set_task_type(p_caller, p_name, p_changes);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.set_task_type(text, jsonb, jsonb) is
  'Adds or changes a type of task, also while tasks of it are queued or running. p_changes names what changes, of {pool: gpu, api or banodoco, category: generation, processing, orchestration or utility, content_type: image, video or null, creates_generation, is_active (false holds its tasks back), is_retryable, max_attempts: 1 to 1000 or null, timeout_seconds: up to 30 days or null, runs_on_own_gpu: true for a type of another pool that GPU machines of the task''s owner run, too}; a new type is otherwise what it was taken for. Out: {name, change: added, changed or none, before, type, is_settled: false while tasks of it still follow}. Errors: 400 INVALID_ARGUMENT, 403, 503 UNAVAILABLE. service_role only.';

revoke all on function public.set_task_type(text, jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.set_task_type(text, jsonb, jsonb) to service_role;
