-- What new children may change, locked before any owner: their orchestrators, and the children that they replace, with
-- what waits for those.
create function queue.lock_families(p_children queue.subtasks[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_orchestrators uuid[];
  v_owners uuid[];
  v_replaced uuid[];
begin
  select array_agg(distinct c.orchestrator_id), array_agg(distinct c.user_id)
  into v_orchestrators, v_owners
  from unnest(p_children) as c;

  select array_agg(o.task_id)
  into v_replaced
  from unnest(p_children) as c
    cross join lateral (
      select s.task_id
      from queue.subtasks as s
      where s.orchestrator_id = c.orchestrator_id
        and s.user_id = c.user_id
        and s.final_rank = c.final_rank
        and s.part_index = c.part_index
        and s.task_type = c.task_type
        and s.replaced_by is null
    ) as o;

  if v_replaced is not null then
    perform queue.lock_relatives_of(v_replaced || v_orchestrators, v_owners, true);
    return;
  end if;

  perform
  from public.tasks as t
  where t.id = any (v_orchestrators)
    and t.user_id = any (v_owners)
    and t.status in ('Queued', 'In Progress')
  order by t.id
  for no key update;
end;
$$;

comment on function queue.lock_families(queue.subtasks[]) is
  'Locks, in the order of their ids, the live tasks that the arrival of these children may change.';

revoke all on function queue.lock_families(queue.subtasks[]) from public, anon, authenticated, service_role;
