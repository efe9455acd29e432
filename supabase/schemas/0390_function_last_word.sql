-- When anybody last said a word about a running task. A beat says only that its worker lives.
create function queue.last_word(p_task public.tasks)
returns timestamptz
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return greatest(p_task.claimed_at, p_task.generation_started_at, p_task.delivered_at, p_task.reported_at);
end;
$$;

comment on function queue.last_word(public.tasks) is
  'When the task was handed out, or when a call or a log last named it, whichever is later.';

revoke all on function queue.last_word(public.tasks) from public, anon, authenticated, service_role;
