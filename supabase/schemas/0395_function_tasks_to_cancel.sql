-- Queued tasks that will never run or that nobody waits for any more, and why: what the cleanup cancels. A task that was
-- ever started is not among them, nor one with a live parent (it is not stale) or with a dependant that is still fresh.
create function queue.tasks_to_cancel(p_limit integer)
returns table (task_id uuid, created_at timestamptz, reason text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
begin
  select s.* into v_settings from queue.settings as s;

  return query
  select
    t.id, t.created_at,
    pg_catalog.format('Cancelled by the cleanup: enqueued %s, never started (%s)', t.created_at, t.standing)
  from public.tasks as t
  where t.standing in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'dependency_lost', 'stale')
    and t.created_at < v_now - v_settings.stale_after
    and t.claimed_at is null
    and queue.is_stale(t.created_at, t.attempts, t.params)
    and not exists (
      select
      from queue.task_dependencies as d
        join public.tasks as x on x.id = d.task_id
      where d.depends_on = t.id
        and (x.status = 'In Progress' or (x.status = 'Queued' and not queue.is_stale(x.created_at, x.attempts, x.params)))
    )
  order by t.created_at
  limit p_limit;

  return query
  select
    t.id, t.created_at,
    'Cancelled by the cleanup: a task it waits for failed, was cancelled or does not exist'
  from public.tasks as t
  where t.standing = 'dependency_lost'
    and t.created_at >= v_now - v_settings.stale_after
    and coalesce(t.updated_at, t.created_at) < v_now - v_settings.dependency_grace
  order by t.created_at
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_cancel(integer) is
  'Up to p_limit tasks of each kind that the cleanup would cancel, with the reason: never started, older than queue.settings.stale_after, no live parent, no fresh dependant; or waiting longer than dependency_grace for a task that cannot come.';

revoke all on function queue.tasks_to_cancel(integer) from public, anon, authenticated, service_role;
