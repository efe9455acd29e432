-- A report other than a result also hears whether it changed anything: a failure may only be recorded.
create function queue.report_reply(p_task public.tasks, p_changed boolean)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.task_reply(p_task)::jsonb || jsonb_build_object('changed', p_changed);
end;
$$;

comment on function queue.report_reply(public.tasks, boolean) is
  'queue.task_reply and changed: whether this report changed the task or was only recorded.';

revoke all on function queue.report_reply(public.tasks, boolean) from public, anon, authenticated, service_role;
