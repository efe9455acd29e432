-- The counters of tasks that wait for a reason of their own. Runs under the owners' locks (queue.shift_load).
create function queue.shift_blocked(p_changes queue.load_change[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  with change as (
    select
      coalesce(c.user_id, '00000000-0000-0000-0000-000000000000') as user_id,
      c.pool,
      c.standing as reason,
      c.is_cloud,
      sum(c.delta) as delta
    from unnest(p_changes) as c
    where c.standing not in ('ready', 'active', 'enqueued', 'held')
    group by 1, 2, 3, 4
    having sum(c.delta) <> 0
  ),
  known as (
    update queue.blocked_tasks as b
    set task_count = b.task_count + c.delta
    from change as c
    where b.user_id = c.user_id
      and b.pool = c.pool
      and b.reason = c.reason
      and b.is_cloud = c.is_cloud
    returning b.user_id, b.pool, b.reason, b.is_cloud
  )
  insert into queue.blocked_tasks as b (user_id, pool, reason, is_cloud, task_count)
  select c.user_id, c.pool, c.reason, c.is_cloud, c.delta
  from change as c
  where not exists (
    select
    from known as k
    where k.user_id = c.user_id
      and k.pool = c.pool
      and k.reason = c.reason
      and k.is_cloud = c.is_cloud
  )
  -- Tasks without an owner have no lock above them: two statements may add the same row.
  on conflict (user_id, pool, reason, is_cloud) do update
    set task_count = b.task_count + excluded.task_count;
end;
$$;

comment on function queue.shift_blocked(queue.load_change[]) is
  'Moves queue.blocked_tasks by what one statement changed.';

revoke all on function queue.shift_blocked(queue.load_change[]) from public, anon, authenticated, service_role;
