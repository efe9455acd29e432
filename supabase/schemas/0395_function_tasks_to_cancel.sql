-- Queued tasks that will never run or that nobody waits for any more, and why: what the cleanup cancels. Among the old
-- ones is none that was ever started, or has a live parent (it is not stale), or with which a task would be cancelled
-- that is still fresh. What waits for a lost task can never run, nor can what waits for that.
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
  where t.standing in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'stale')
    and t.created_at < v_now - v_settings.stale_after
    and t.claimed_at is null
    and queue.is_stale(t.created_at, t.attempts, t.params)
    and not exists (
      -- What would be cancelled along: tasks that wait for it, its children, and so on.
      with recursive along (id) as (
        select t.id
        union
        select n.id
        from along as a
          join public.tasks as q on q.id = a.id and q.status in ('Queued', 'In Progress')
          cross join lateral (
            select d.task_id as id from queue.task_dependencies as d where d.depends_on = q.id
            union all
            select s.task_id from queue.subtasks as s where s.orchestrator_id = q.id
          ) as n
      )
      select
      from along as a
        join public.tasks as x on x.id = a.id
      where x.id <> t.id
        and x.user_id is not distinct from t.user_id
        and (
          x.status = 'In Progress'
          or x.status = 'Queued' and (
            x.attempts > 0
            or x.created_at >= v_now - v_settings.stale_after
            or not queue.is_stale(x.created_at, x.attempts, x.params)
            and queue.parent_task_id(x.params) not in (select o.id from along as o)
          )
        )
    )
  order by t.created_at
  limit p_limit;

  return query
  select
    t.id, t.created_at,
    'Cancelled by the cleanup: a task it waits for failed, was cancelled or does not exist'
  from public.tasks as t
  where t.standing = 'dependency_lost'
    and coalesce(t.updated_at, t.created_at) < v_now - v_settings.dependency_grace
  order by t.created_at
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_cancel(integer) is
  'Up to p_limit tasks of each kind that the cleanup would cancel, with the reason: never started, older than queue.settings.stale_after, no live parent, no fresh child and no fresh task that waits for them in any number of steps; or waiting longer than dependency_grace for a task that cannot come.';

revoke all on function queue.tasks_to_cancel(integer) from public, anon, authenticated, service_role;
