-- Tasks whose params, type or owner have changed, so that they are parts of something else now: they leave the families
-- they were in, as deleted ones would, and join those that they name. The caller holds the locks of queue.lock_families
-- and of the owners.
create function queue.regroup(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_statuses text[];
  v_children queue.subtasks[];
  v_left uuid[];
  v_orchestrator_id uuid;
begin
  select array_agg(t.status order by i.place)
  into v_statuses
  from unnest(p_task_ids) with ordinality as i (id, place)
    left join public.tasks as t on t.id = i.id;

  v_left := queue.take_out_children(p_task_ids, v_statuses);

  select array_agg(c.child)
  into v_children
  from (
    select queue.subtask_of(t.id, t.user_id, t.task_type, t.params) as child
    from public.tasks as t
    where t.id = any (p_task_ids)
  ) as c
  where (c.child).task_id is not null;
  if v_children is not null then
    perform queue.join_families(null, v_children);
  end if;

  foreach v_orchestrator_id in array v_left loop
    perform queue.judge_orchestration(v_orchestrator_id);
    perform queue.cancel_childless(v_orchestrator_id, 'all children were taken away from it');
  end loop;
end;
$$;

comment on function queue.regroup(uuid[]) is
  'Takes these tasks out of the families they were in and into those that their params name now. Call it under the owners'' locks.';

revoke all on function queue.regroup(uuid[]) from public, anon, authenticated, service_role;
