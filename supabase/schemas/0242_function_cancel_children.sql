-- The open children of orchestrators that are no more go with them; what is finished stays. One that somebody is just
-- changing is left to queue.mend_orchestrations: nobody waits for a task while he holds an owner. More than a hundred
-- children are left to queue.settle_deferred.
create function queue.cancel_children(p_orchestrator_ids uuid[], p_what text)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 100;
  v_ends queue.task_end[];
begin
  if (
    select count(*)
    from (
      select
      from unnest(p_orchestrator_ids) as o (id)
        cross join lateral unnest(queue.next_relatives(o.id, true, null, v_most + 1))
      limit v_most + 1
    ) as n
  ) > v_most then
    insert into queue.deferred_work (kind, task_id, user_id, status, since)
    select 'children', o.orchestrator_id, o.user_id, p_what, queue.now()
    from queue.orchestrations as o
    where o.orchestrator_id = any (p_orchestrator_ids)
      and not exists (
        select from queue.deferred_work as w where w.task_id = o.orchestrator_id and w.kind = 'children' and w.only_id is null
      );
    return 0;
  end if;

  select array_agg((
    c.id, c.user_id, 'Cancelled',
    pg_catalog.format('Cascaded failed from related task %s: its orchestrator was %s', c.orchestrator_id, p_what)
  )::queue.task_end)
  into v_ends
  from (
    select t.id, t.user_id, s.orchestrator_id
    from queue.subtasks as s
      join queue.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
      join public.tasks as t on t.id = s.task_id and t.user_id = s.user_id
    where s.orchestrator_id = any (p_orchestrator_ids)
      and t.status in ('Queued', 'In Progress')
    order by t.id
    for no key update of t skip locked
  ) as c;

  if v_ends is null then
    return 0;
  end if;
  perform queue.end_tasks(v_ends);
  return cardinality(v_ends);
end;
$$;

comment on function queue.cancel_children(uuid[], text) is
  'Cancels the live children of these orchestrators, which were Cancelled or deleted, unless somebody holds them; returns how many. Of more than a hundred it is only noted that they are to be cancelled.';

revoke all on function queue.cancel_children(uuid[], text) from public, anon, authenticated, service_role;
