-- Results that were never recorded, as operators mend them (docs/operations.md).
create function public.repair_generations(
  p_limit integer default 1000, p_dry_run boolean default false, p_task_ids uuid[] default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.repair_generations(p_limit, p_dry_run, p_task_ids);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.repair_generations(integer, boolean, uuid[]) is
  'Records the results of Complete tasks of a type that records generations that never were recorded, up to p_limit (1 to 10000; has_more says that another call may find more). What looks deleted or moved by the app is left alone and listed, up to p_limit, as doubtful_ids; those named in p_task_ids, and only those, are recorded anew. Safe to repeat. Out: {missing, torn, task_ids, doubtful_ids, has_more, dry_run}. Errors: 400 INVALID_ARGUMENT. service_role only.';

revoke all on function public.repair_generations(integer, boolean, uuid[]) from public, anon, authenticated, service_role;
grant execute on function public.repair_generations(integer, boolean, uuid[]) to service_role;
