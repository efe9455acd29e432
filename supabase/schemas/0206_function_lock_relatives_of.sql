-- These tasks and the live ones that their end may change, locked before any owner is and in the order of their ids, so that
-- nobody who does the same can wait for us in a circle: the tasks that wait for them, the orchestrators that they are
-- parts of, and what would go with those in turn. After a good end only the first of the waiting change.
create function queue.lock_relatives_of(p_task_ids uuid[], p_user_ids uuid[], p_is_lost boolean)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_above uuid[];
  v_waiting uuid[];
  v_lost uuid[];
begin
  select array_agg(s.orchestrator_id)
  into v_above
  from queue.subtasks as s
  where s.task_id = any (p_task_ids);

  select array_agg(d.task_id)
  into v_waiting
  from queue.task_dependencies as d
  where d.depends_on = any (p_task_ids);

  if v_above is null and v_waiting is null then
    return; -- nothing to keep in order
  end if;

  with recursive reached (task_id) as (
    select r.id from unnest(v_above || case when p_is_lost then v_waiting end) as r (id)
    union
    select n.id
    from reached as l
      cross join lateral (
        select d.task_id as id from queue.task_dependencies as d where d.depends_on = l.task_id
        union all
        select s.orchestrator_id from queue.subtasks as s where s.task_id = l.task_id
      ) as n
  )
  select array_agg(l.task_id) into v_lost from reached as l;

  perform
  from public.tasks as t
  where t.id = any (p_task_ids || v_waiting || v_lost)
    and t.status in ('Queued', 'In Progress')
    and t.user_id = any (p_user_ids)
  order by t.id
  for no key update;
end;
$$;

comment on function queue.lock_relatives_of(uuid[], uuid[], boolean) is
  'Locks these tasks and, in the order of their ids, the live tasks of these owners that change when they end: well, or lost (failed, cancelled, deleted). Locks nothing when there are no such tasks.';

revoke all on function queue.lock_relatives_of(uuid[], uuid[], boolean) from public, anon, authenticated, service_role;
