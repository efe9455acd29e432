-- Results that were never recorded, as operators mend them (docs/operations.md).
create function public.repair_generations(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.repair_generations(p_limit, p_dry_run);
end;
$$;

comment on function public.repair_generations(integer, boolean) is
  'Finds Complete tasks of a type that records generations which have none, and generations whose location is not their task''s output, up to p_limit of each (1 to 10000; has_more says that another call may find more), and mends them. Safe to repeat. Out: {missing, torn, task_ids, has_more, dry_run}. Errors: 400 INVALID_ARGUMENT. service_role only.';

revoke all on function public.repair_generations(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function public.repair_generations(integer, boolean) to service_role;
