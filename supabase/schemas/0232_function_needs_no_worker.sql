-- An orchestrator that has enqueued everything only waits for its children: no death, silence or timeout of the worker
-- that ran it concerns it.
create function queue.needs_no_worker(p_task public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_family queue.orchestrations;
begin
  select o.* into v_family from queue.orchestrations as o where o.orchestrator_id = p_task.id;
  return v_family.orchestrator_id is not null and queue.is_enqueued(v_family, p_task);
end;
$$;

comment on function queue.needs_no_worker(public.tasks) is
  'Whether this task is an orchestrator that has enqueued all of its children.';

revoke all on function queue.needs_no_worker(public.tasks) from public, anon, authenticated, service_role;
