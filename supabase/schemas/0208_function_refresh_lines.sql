-- Opens and closes lines after something about their owners has changed. The caller holds the owners' locks.
create function queue.refresh_lines(p_user_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update queue.user_lines as l
  set running = s.running,
    is_open = s.cloud_reason is null and l.ready_cloud + l.ready_cloud_orchestration > 0,
    task_limit = s.task_limit,
    closed_by = nullif(s.cloud_reason, 'user_at_limit')
  from queue.user_slots as s
  where s.user_id = any (p_user_ids)
    and l.user_id = s.user_id
    and (
      l.running <> s.running
      or l.is_open <> (s.cloud_reason is null and l.ready_cloud + l.ready_cloud_orchestration > 0)
      or l.task_limit <> s.task_limit
      or l.closed_by is distinct from nullif(s.cloud_reason, 'user_at_limit')
    );
end;
$$;

comment on function queue.refresh_lines(uuid[]) is
  'Brings what these users'' lines copy from their slots, and is_open, in step with them. Call it under the users'' locks.';

revoke all on function queue.refresh_lines(uuid[]) from public, anon, authenticated, service_role;
