-- Further dependencies of a task that is still queued; the first one stays in dependant_on. Meant for the transaction
-- that inserts the task: nobody can claim it before that ends.
create function queue.depend_on(p_task_id uuid, p_depends_on uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  if p_task_id = any (p_depends_on) then
    perform queue.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  end if;

  select t.* into v_task from public.tasks as t where t.id = p_task_id for no key update;
  if v_task.status is distinct from 'Queued' then
    perform queue.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s; only a Queued task can be given dependencies', p_task_id, coalesce(v_task.status, 'missing'))
    );
  end if;

  -- Under the owner's lock no dependency ends unseen, and no circle is closed from two sides.
  perform from queue.user_slots as s where s.user_id = v_task.user_id for no key update;

  insert into queue.task_dependencies (task_id, depends_on)
  select p_task_id, d.id
  from unnest(p_depends_on) as d (id)
  where d.id is not null
  on conflict do nothing;
  perform queue.refuse_cycles(array[p_task_id]);

  update public.tasks as t
  set standing = null,
    dependant_on = coalesce(
      t.dependant_on,
      (select d.id from unnest(p_depends_on) with ordinality as d (id, place) where d.id is not null order by d.place limit 1)
    )
  where t.id = p_task_id;
end;
$$;

comment on function queue.depend_on(uuid, uuid[]) is
  'Makes a queued task wait for these tasks, too. Raises 400 DEPENDENCY_CYCLE, or 409 ILLEGAL_TRANSITION when the task is not Queued.';

revoke all on function queue.depend_on(uuid, uuid[]) from public, anon, authenticated, service_role;
