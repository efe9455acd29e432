-- A line stays when its last task has ended, because most fill again soon. Counts walk over all lines, so those that
-- stayed empty for an hour go, and so do counters of blocked tasks that came to nothing.
create function queue.drop_empty_lines(p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_owners uuid[];
  v_dropped integer;
begin
  -- Under the owners' locks nobody fills a line meanwhile; owners that somebody serves are left for the next time.
  select array_agg(o.user_id)
  into v_owners
  from (
    select s.user_id
    from queue.user_slots as s
    where s.user_id in (
      select l.user_id
      from queue.user_lines as l
      where l.turn_at < queue.now() - interval '1 hour'
        and (
          l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
          l.active_cloud, l.active_cloud_orchestration, l.active_local, l.active_local_orchestration
        ) = (0, 0, 0, 0, 0, 0, 0, 0)
      limit p_limit
    )
    for no key update of s skip locked
  ) as o;

  delete from queue.user_lines as l
  where l.user_id = any (v_owners)
    and l.turn_at < queue.now() - interval '1 hour'
    and (
      l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
      l.active_cloud, l.active_cloud_orchestration, l.active_local, l.active_local_orchestration
    ) = (0, 0, 0, 0, 0, 0, 0, 0);
  get diagnostics v_dropped = row_count;

  delete from queue.blocked_tasks as b
  where b.user_id = any (v_owners)
    and b.task_count = 0;
  return v_dropped;
end;
$$;

comment on function queue.drop_empty_lines(integer) is
  'Deletes lines that have been empty for an hour, of at most p_limit owners, and these owners'' counters of nothing; returns how many lines.';

revoke all on function queue.drop_empty_lines(integer) from public, anon, authenticated, service_role;
