-- The counts, as functions call them.
create function public.task_counts(
  p_caller jsonb,
  p_run_type text default null,
  p_include_active boolean default true,
  p_unused text[] default null
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.task_counts(p_caller, p_run_type, p_include_active, p_unused);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.task_counts(jsonb, text, boolean, text[]) is
  'What is claimable now, what is active and what is blocked why, in one pool or all (null). p_unused: fields of the request that the counts know nothing of, for a warning (ROUTING_IGNORED). Out: one JSON object, see docs/architecture.md; tasks in numbers, ages in seconds. A service caller sees the whole system, a token or user their own. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.task_counts(jsonb, text, boolean, text[]) from public, anon, authenticated, service_role;
grant execute on function public.task_counts(jsonb, text, boolean, text[]) to service_role;
