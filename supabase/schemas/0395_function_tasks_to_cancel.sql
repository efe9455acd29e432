-- Queued tasks that will never run or that nobody waits for any more, and why: what the cleanup cancels.
create function queue.tasks_to_cancel(p_limit integer)
returns table (task_id uuid, created_at timestamptz, reason text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_old_before timestamptz := queue.now() - (select s.stale_after from queue.settings as s);
begin
  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select queue.reason_to_cancel(t) as reason) as r
  where t.standing in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'stale')
    and t.created_at < v_old_before
    and r.reason is not null
  order by t.created_at
  limit p_limit;

  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select queue.reason_to_cancel(t) as reason) as r
  where t.standing = 'dependency_lost'
    and r.reason is not null
  order by t.created_at
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_cancel(integer) is
  'Up to p_limit tasks of each kind that the cleanup would cancel, with the reason (queue.reason_to_cancel): never started and too old, or waiting for what cannot come.';

revoke all on function queue.tasks_to_cancel(integer) from public, anon, authenticated, service_role;
