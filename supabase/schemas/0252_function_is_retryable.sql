-- Whether a reported failure of a type of task is worth another try. Unknown types are.
create function queue.is_retryable(p_task_type text)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce((select y.is_retryable from public.task_types as y where y.name = p_task_type), true);
end;
$$;

comment on function queue.is_retryable(text) is 'Whether a failed task of this type may be tried again; true for an unknown type.';

revoke all on function queue.is_retryable(text) from public, anon, authenticated, service_role;
