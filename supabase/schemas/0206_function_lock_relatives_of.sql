-- These tasks and the live ones that their end may change, locked before any owner is and in the order of their ids, so that
-- nobody who does the same can wait for us in a circle: the tasks that wait for them, the orchestrators that they are
-- parts of, and what would go with those in turn. After a good end only the first of the waiting change. Where more than
-- a thousand hang on them, whosever they are, nothing of it changes now (queue.deferred_work), and nothing of it is locked.
create function queue.lock_relatives_of(p_task_ids uuid[], p_user_ids uuid[], p_is_lost boolean)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_look constant integer := 1000;
  v_above uuid[];
  v_waiting uuid[];
  v_lost uuid[];
begin
  select array_agg(s.orchestrator_id)
  into v_above
  from queue.subtasks as s
  where s.task_id = any (p_task_ids);

  v_waiting := array(
    select d.task_id from queue.task_dependencies as d where d.depends_on = any (p_task_ids) limit v_look + 1
  );

  if v_above is null and v_waiting = '{}' then
    return; -- nothing to keep in order
  elsif cardinality(v_waiting) > v_look then
    v_waiting := '{}';
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
        offset 0 -- each by its key: a join may read all links there are
      ) as n
  )
  select array_agg(l.task_id)
  into v_lost
  from (select r.task_id from reached as r limit v_look + coalesce(cardinality(v_above), 0) + 1) as l;
  if cardinality(v_lost) > v_look + coalesce(cardinality(v_above), 0) then
    v_lost := null;
  end if;

  perform
  from public.tasks as t
  where t.id = any (p_task_ids || v_above || v_waiting || v_lost)
    and t.status in ('Queued', 'In Progress')
    and t.user_id = any (p_user_ids)
  order by t.id
  for no key update;
end;
$$;

comment on function queue.lock_relatives_of(uuid[], uuid[], boolean) is
  'Locks these tasks and, in the order of their ids, the live tasks of these owners that change when they end: well, or lost (failed, cancelled, deleted). Locks nothing when there are no such tasks, and only these tasks and their orchestrators when more than a thousand hang on them.';

revoke all on function queue.lock_relatives_of(uuid[], uuid[], boolean) from public, anon, authenticated, service_role;
