-- Queued tasks that waited for one task wait for another one from now on.
create function queue.move_dependants(p_from uuid, p_to uuid, p_user_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[];
begin
  select array_agg(t.id)
  into v_waiting
  from public.tasks as t
  where t.id = any (array(select d.task_id from queue.task_dependencies as d where d.depends_on = p_from))
    and t.status = 'Queued'
    and t.user_id = p_user_id
    and t.id <> p_to;

  -- Also children that were cancelled for another one: they may be put back. Of them only this is written, as nobody
  -- waits for a task while holding an owner; queue.put_back_part brings the task itself up to date.
  update queue.task_dependencies as d
  set depends_on = p_to
  where d.depends_on = p_from
    and d.task_id <> p_to
    and exists (
      select
      from queue.subtasks as s
      where s.task_id = d.task_id and s.user_id = p_user_id and s.replaced_by is not null
    )
    and not exists (select from queue.task_dependencies as e where e.task_id = d.task_id and e.depends_on = p_to);
  -- Those that wait for both already: what is left of the first would be lost to them.
  delete from queue.task_dependencies as d
  where d.depends_on = p_from
    and d.task_id <> p_to
    and exists (
      select
      from queue.subtasks as s
      where s.task_id = d.task_id and s.user_id = p_user_id and s.replaced_by is not null
    );

  if v_waiting is null then
    return;
  end if;

  delete from queue.task_dependencies as d where d.depends_on = p_from and d.task_id = any (v_waiting);
  insert into queue.task_dependencies (task_id, depends_on)
  select w.id, p_to
  from unnest(v_waiting) as w (id)
  on conflict do nothing;

  update public.tasks as t
  set dependant_on = case when t.dependant_on = p_from then p_to else t.dependant_on end,
    standing = null
  where t.id = any (v_waiting)
    and t.status = 'Queued';
end;
$$;

comment on function queue.move_dependants(uuid, uuid, uuid) is
  'Makes this owner''s queued tasks, and replaced children, that wait for the first task wait for the second one instead.';

revoke all on function queue.move_dependants(uuid, uuid, uuid) from public, anon, authenticated, service_role;
