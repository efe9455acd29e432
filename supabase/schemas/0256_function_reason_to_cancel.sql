-- Why the cleanup cancels a queued task, or null: nobody ever started it and nobody waits for it any more, or it waits for
-- what cannot come. What waits for a live task is judged by that one: it goes when that goes. Asked of what was found, and
-- once more under the lock, because much can happen in between.
create function queue.reason_to_cancel(p_task public.tasks)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
begin
  select s.* into v_settings from queue.settings as s;

  -- What waits for a lost task can never run, nor can what waits for that.
  if p_task.standing = 'dependency_lost' then
    return case when coalesce(p_task.updated_at, p_task.created_at) < v_now - v_settings.dependency_grace then
      'Cancelled by the cleanup: a task it waits for failed, was cancelled or does not exist'
    end;
  elsif p_task.standing is null
    or p_task.standing not in ('no_owner', 'no_run_type', 'type_inactive', 'stale')
    or p_task.claimed_at is not null
    or not queue.is_stale(greatest(p_task.created_at, p_task.available_at, p_task.released_at), p_task.attempts > 0 or p_task.claimed_at is not null, p_task.params)
    or exists (
      select
      from queue.task_dependencies as d
        join public.tasks as x on x.id = d.depends_on
      where d.task_id = p_task.id
        and x.user_id is not distinct from p_task.user_id
        and x.status in ('Queued', 'In Progress')
    ) then
    return null;
  end if;

  -- What would be cancelled along: tasks that wait for it, its children, and so on. One that was started or is fresh
  -- keeps it. Most have nobody, which two looks at an index can tell.
  if (
    exists (select from queue.task_dependencies as d where d.depends_on = p_task.id)
    or exists (select from queue.subtasks as s where s.orchestrator_id = p_task.id)
  ) and exists (
    with recursive along (id) as (
      select p_task.id
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
    where x.id <> p_task.id
      and x.user_id is not distinct from p_task.user_id
      and (
        x.status = 'In Progress'
        or x.status = 'Queued' and (
          x.attempts > 0
          or x.claimed_at is not null
          or greatest(x.created_at, x.available_at, x.released_at) >= queue.stale_before()
          or not queue.is_stale(greatest(x.created_at, x.available_at, x.released_at), x.attempts > 0 or x.claimed_at is not null, x.params)
          and queue.parent_task_id(x.params) not in (select o.id from along as o)
        )
      )
  ) then
    return null;
  end if;

  return pg_catalog.format('Cancelled by the cleanup: enqueued %s, never started (%s)', p_task.created_at, p_task.standing);
end;
$$;

comment on function queue.reason_to_cancel(public.tasks) is
  'Why the cleanup would cancel this task, null when it would not: never started for queue.settings.stale_after since it could run, no live task that it waits for, no live parent, no fresh child and no fresh task that waits for it in any number of steps; or waiting longer than dependency_grace for a task that cannot come.';

revoke all on function queue.reason_to_cancel(public.tasks) from public, anon, authenticated, service_role;
