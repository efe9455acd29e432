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
    turn_load = s.running + s.orchestrating + s.remembered,
    orchestration_room = n.orchestration_room,
    is_open = n.is_open,
    task_limit = s.task_limit,
    closed_by = nullif(s.cloud_reason, 'user_at_limit')
  from queue.user_slots as s
    join queue.user_lines as o on o.user_id = s.user_id
    cross join lateral (
      select
        greatest(s.orchestration_limit - s.orchestrating, 0) as orchestration_room,
        s.cloud_reason is null
          and (o.ready_cloud > 0 or (o.ready_cloud_orchestration > 0 and s.orchestrating < s.orchestration_limit)) as is_open
    ) as n
  where s.user_id = any (p_user_ids)
    and l.user_id = o.user_id
    and l.pool = o.pool
    and (l.running, l.turn_load, l.orchestration_room, l.is_open, l.task_limit, l.closed_by) is distinct from (
      s.running, s.running + s.orchestrating + s.remembered, n.orchestration_room, n.is_open, s.task_limit,
      nullif(s.cloud_reason, 'user_at_limit')
    );
end;
$$;

comment on function queue.refresh_lines(uuid[]) is
  'Brings what these users'' lines copy from their slots, and is_open, in step with them. Call it under the users'' locks.';

revoke all on function queue.refresh_lines(uuid[]) from public, anon, authenticated, service_role;
