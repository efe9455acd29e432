-- A late result is that of the last start, which the task has forgotten by then. The history knows it: also what somebody
-- else said of it meanwhile, to no effect, so whose start it was is asked of the claim.
create function queue.with_its_last_start(p_task public.tasks)
returns public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_start record;
begin
  select e.worker_id, e.attempt, substring(h.actor from '^token:([0-9a-f-]{36})$')::uuid as token_id
  into v_start
  from public.task_events as e
    cross join lateral (
      select o.actor
      from public.task_events as o
      where o.task_id = e.task_id
        and o.id <= e.id
        and o.from_status = 'Queued'
        and o.to_status = 'In Progress'
      order by o.id desc
      limit 1
    ) as h
  where e.task_id = p_task.id
    and e.to_status = 'In Progress'
  order by e.id desc
  limit 1;
  if found then
    p_task.worker_id := v_start.worker_id;
    p_task.token_id := v_start.token_id;
    p_task.attempts := greatest(p_task.attempts, v_start.attempt);
  end if;
  return p_task;
end;
$$;

comment on function queue.with_its_last_start(public.tasks) is
  'This task with worker_id, token_id and attempts of its last start, if the history has one.';

revoke all on function queue.with_its_last_start(public.tasks) from public, anon, authenticated, service_role;
