-- What the function sweep-files removes.
create function public.files_to_sweep(p_caller jsonb, p_after text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.files_to_sweep(p_caller, p_after);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.files_to_sweep(jsonb, text) is
  'Files of failed, cancelled and deleted tasks, older than a day, that no output, result record or live task''s params name; among the thousand objects after the name p_after. Out: {files, next}; next is the p_after of the next page, null at the end. service_role only.';

revoke all on function public.files_to_sweep(jsonb, text) from public, anon, authenticated, service_role;
grant execute on function public.files_to_sweep(jsonb, text) to service_role;
