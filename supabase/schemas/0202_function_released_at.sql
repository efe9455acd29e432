-- Since when nothing that a task waits for holds it back: the end of the last of them. Before that it could not have run,
-- however long ago it was enqueued.
create function queue.released_at(p_task_id uuid, p_dependant_on uuid, p_user_id uuid)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select max(t.generation_processed_at)
    from public.tasks as t
    where t.id = any (array(select d.depends_on from queue.task_dependencies as d where d.task_id = p_task_id) || p_dependant_on)
      and t.user_id is not distinct from p_user_id
      and t.status = 'Complete'
  );
end;
$$;

comment on function queue.released_at(uuid, uuid, uuid) is
  'When the last of what this task waits for was completed; null = nothing of it was.';

revoke all on function queue.released_at(uuid, uuid, uuid) from public, anon, authenticated, service_role;
