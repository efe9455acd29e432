-- A type of task as operators read and write it: the fields of public.set_task_type.
create function queue.type_as_json(p_type public.task_types)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'pool', p_type.run_type,
    'category', p_type.category,
    'content_type', p_type.content_type,
    'creates_generation', p_type.creates_generation,
    'is_active', p_type.is_active,
    'is_retryable', p_type.is_retryable,
    'max_attempts', p_type.max_attempts,
    'timeout_seconds', extract(epoch from p_type.timeout),
    'runs_on_own_gpu', p_type.runs_on_own_gpu
  );
end;
$$;

comment on function queue.type_as_json(public.task_types) is
  'This row of task_types as {pool, category, content_type, creates_generation, is_active, is_retryable, max_attempts, timeout_seconds, runs_on_own_gpu}.';

revoke all on function queue.type_as_json(public.task_types) from public, anon, authenticated, service_role;
