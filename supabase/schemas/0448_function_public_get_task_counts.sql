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
  return queue.task_counts('{"kind": "service"}', run_type_filter, mode is distinct from 'queued');
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.func_get_task_counts(text, text) is
  'The same as task_counts for a service key, under the name and arguments of the fleet''s scripts. mode: queued leaves out what runs, any other means all. run_type_filter: gpu, api or null for both. Out: see task_counts. service_role only.';

revoke all on function public.func_get_task_counts(text, text) from public, anon, authenticated, service_role;
grant execute on function public.func_get_task_counts(text, text) to service_role;
