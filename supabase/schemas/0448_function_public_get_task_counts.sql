-- The counts, as the scripts of the fleet call them through the Data API. They name a mode: "queued"
-- leaves out what runs, any other means all.
create function public.func_get_task_counts(mode text default null, run_type_filter text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  if run_type_filter in ('cloud', 'local') then
    return queue.counts_of_place(run_type_filter, mode is distinct from 'queued');
  end if;
  return queue.task_counts('{"kind": "service"}', run_type_filter, mode is distinct from 'queued');
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.func_get_task_counts(text, text) is
  'The same as task_counts for a service key, under the name and arguments of the fleet''s scripts. mode: queued leaves out what runs, any other means all. run_type_filter: a pool; or a place, cloud (machines of the fleet) or local (their owners'' own); null for all. Out: see task_counts; of a place its totals of what is claimable and active, its users and recent tasks. service_role only.';

revoke all on function public.func_get_task_counts(text, text) from public, anon, authenticated, service_role;
grant execute on function public.func_get_task_counts(text, text) to service_role;
