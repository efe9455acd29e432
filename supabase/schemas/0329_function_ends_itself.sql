-- Says of a change that follows in this transaction whether the task's holder makes it: then the slot is free at once.
create function queue.ends_itself(p_task_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform set_config('queue.let_go', case when p_task_id is null then '' else '{' || p_task_id || '}' end, true);
end;
$$;

comment on function queue.ends_itself(uuid) is
  'The task that its holder is about to end or hand back in this transaction; null = nobody''s.';

revoke all on function queue.ends_itself(uuid) from public, anon, authenticated, service_role;
