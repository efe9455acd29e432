-- What hangs on a task, in the order of the ids and so that it can be gone through in pieces: a hundred thousand, where no
-- more than p_most are looked at in one transaction. Under no statistics may it be as good to read all of it first.
create function queue.next_relatives(p_task_id uuid, p_are_children boolean, p_after_id uuid, p_most integer)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- it comes in the order of an index
set enable_bitmapscan = off -- which looks at all of it before it is cut
as $$
declare
  v_after_id constant uuid := coalesce(p_after_id, '00000000-0000-0000-0000-000000000000');
begin
  if p_are_children then
    return array(
      select s.task_id
      from queue.subtasks as s
      where s.orchestrator_id = p_task_id
        and s.task_id > v_after_id
      order by s.task_id
      limit p_most
    );
  end if;
  return array(
    select d.task_id
    from queue.task_dependencies as d
    where d.depends_on = p_task_id
      and d.task_id > v_after_id
    order by d.task_id
    limit p_most
  );
end;
$$;

comment on function queue.next_relatives(uuid, boolean, uuid, integer) is
  'The children of this orchestrator, or else what depends on this task, with ids after p_after_id (null = all): the first p_most.';

revoke all on function queue.next_relatives(uuid, boolean, uuid, integer) from public, anon, authenticated, service_role;
