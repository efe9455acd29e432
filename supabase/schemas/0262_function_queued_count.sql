-- How much a user has in the queue, added up from the derived counters: a few rows, however many tasks there are.
-- Exact under the lock on the owner's slots.
create function queue.queued_count(p_user_id uuid)
returns bigint
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    (
      select sum(l.ready_cloud + l.ready_cloud_orchestration + l.ready_local + l.ready_local_orchestration)
      from queue.user_lines as l
      where l.user_id = p_user_id
    ), 0
  ) + coalesce(
    (
      select sum(b.task_count)
      from queue.blocked_tasks as b
      where b.user_id = p_user_id
    ), 0
  );
end;
$$;

comment on function queue.queued_count(uuid) is 'How many tasks of the user are Queued, whatever they wait for.';

revoke all on function queue.queued_count(uuid) from public, anon, authenticated, service_role;
