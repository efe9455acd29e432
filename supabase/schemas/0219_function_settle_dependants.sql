-- Tasks that waited for tasks that are Complete now, or that have come, or come back. They are locked before they are
-- looked at, so that of two dependencies that end at the same time the second one sees the first. Only tasks of the same
-- owner: to name somebody else's task is to wait for nothing, and nobody's end waits for a stranger's row. Where many
-- wait, the end is what is recorded now, and they follow (queue.deferred_work).
create function queue.settle_dependants(p_task_ids uuid[], p_but uuid[] default '{}')
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 100;
  v_look constant integer := 1000;
  v_links integer;
  v_waiting uuid[];
begin
  select count(*)
  into v_links
  from (select from queue.task_dependencies as d where d.depends_on = any (p_task_ids) limit v_look + 1) as l;
  if v_links = 0 then
    return;
  end if;

  if v_links <= v_look then
    v_waiting := array(
      select d.task_id
      from queue.task_dependencies as d
      where d.depends_on = any (p_task_ids)
        and d.task_id <> all (p_but)
        -- By their keys; as a join, a plan from when the queue was small would go through all tasks of the owner.
        and (
          select t.status = 'Queued'
            and t.user_id is not distinct from (select c.user_id from public.tasks as c where c.id = d.depends_on)
          from public.tasks as t
          where t.id = d.task_id
        )
      limit v_most + 1
    );
    if cardinality(v_waiting) <= v_most then
      perform
      from public.tasks as t
      where t.id = any (v_waiting)
        and t.status = 'Queued'
      order by t.id
      for no key update;
      perform queue.ask_standing_again(v_waiting);
      return;
    end if;
  end if;

  insert into queue.deferred_work (kind, task_id, user_id, status, since)
  select 'dependants', t.id, t.user_id, t.status, queue.now()
  from public.tasks as t
  where t.id = any (p_task_ids)
    and exists (select from queue.task_dependencies as d where d.depends_on = t.id);
end;
$$;

comment on function queue.settle_dependants(uuid[], uuid[]) is
  'Works out again where the queued tasks of the same owner stand that depend on these, but for the second ones; later, when they are many.';

revoke all on function queue.settle_dependants(uuid[], uuid[]) from public, anon, authenticated, service_role;
