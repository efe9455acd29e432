-- That a call has come, as the functions hand it in.
create function public.note_call(p_caller jsonb, p_task_id uuid)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.note_call(p_caller, p_task_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.note_call(jsonb, uuid) is
  'Notes that a token''s call has named a task that it runs: a sign of life. True when it wrote; false when the task is not its own or was heard of within 10 s. service_role only.';

revoke all on function public.note_call(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.note_call(jsonb, uuid) to service_role;
