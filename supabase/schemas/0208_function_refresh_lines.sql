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
    is_open = s.cloud_reason is null and l.ready_cloud + l.ready_cloud_orchestration > 0
  from queue.user_slots as s
  where s.user_id = any (p_user_ids)
    and l.user_id = s.user_id
    and (
      l.running <> s.running
      or l.is_open <> (s.cloud_reason is null and l.ready_cloud + l.ready_cloud_orchestration > 0)
    );
end;
$$;

comment on function queue.refresh_lines(uuid[]) is
  'Brings running and is_open of these users'' lines in step with their slots. Call it under the users'' locks.';

revoke all on function queue.refresh_lines(uuid[]) from public, anon, authenticated, service_role;
