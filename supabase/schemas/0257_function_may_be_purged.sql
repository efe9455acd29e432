-- Whether nobody needs a finished task any more: it has been kept for as long as the settings say, no live task waits for
-- it or is its child (and would go with it), and no live parent counts it.
create function queue.may_be_purged(p_task public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return p_task.status in ('Complete', 'Failed', 'Cancelled')
    and coalesce(p_task.updated_at, p_task.created_at) < queue.now() - (select s.finished_task_retention from queue.settings as s)
    and not exists (
      select
      from queue.task_dependencies as d
        join public.tasks as x on x.id = d.task_id
      where d.depends_on = p_task.id
        and x.status in ('Queued', 'In Progress')
    )
    and not exists (
      select
      from queue.subtasks as s
        join public.tasks as x on x.id = s.task_id
      where s.orchestrator_id = p_task.id
        and x.status in ('Queued', 'In Progress')
    )
    and not exists (
      select
      from public.tasks as p
      where p.id = queue.parent_task_id(p_task.params)
        and p.status in ('Queued', 'In Progress')
    );
end;
$$;

comment on function queue.may_be_purged(public.tasks) is
  'Whether this task ended longer than queue.settings.finished_task_retention ago (never while that is null) and no live task waits for it, is its child or is its parent.';

revoke all on function queue.may_be_purged(public.tasks) from public, anon, authenticated, service_role;
