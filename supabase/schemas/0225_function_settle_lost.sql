-- What waited for a task that failed, was cancelled or deleted can never run. All of it ends with it, however long the
-- chain: Failed below a failed task, else Cancelled. Only queued tasks of the same owner; a task that was in somebody
-- else's way was in nobody's way (queue.dependency_state). Up to a hundred end at once; of more it is only noted that
-- they are to end (queue.deferred_work). Until then they wait, and no claim gets them.
create function queue.settle_lost(p_lost queue.task_end[])
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
  v_ways integer;
  v_ends queue.task_end[];
begin
  -- How many hang on them at all, whosever they are.
  with recursive below (task_id) as (
    select d.task_id
    from unnest(p_lost) as l
      join queue.task_dependencies as d on d.depends_on = l.task_id
    where l.user_id is not null
    union
    select d.task_id
    from below as b
      join queue.task_dependencies as d on d.depends_on = b.task_id
  )
  select count(*) into v_links from (select from below as b limit v_look + 1) as b;
  if v_links = 0 then
    return;
  elsif v_links > v_look then
    perform queue.defer_lost(p_lost);
    return;
  end if;

  with recursive reached (task_id, via, root, user_id, status, reason) as (
    -- Each task once per way to it and cause: diamonds do not multiply, and a circle ends.
    select l.task_id, null::uuid, l.task_id, l.user_id, l.status, pg_catalog.left(nullif(l.reason, ''), 500)
    from unnest(p_lost) as l
    where l.user_id is not null
      and exists (select from queue.task_dependencies as d where d.depends_on = l.task_id)
    union
    select d.task_id, r.task_id, r.root, r.user_id, r.status, r.reason
    from reached as r
      join queue.task_dependencies as d on d.depends_on = r.task_id
    -- One task by its key; as a join, a plan from when the queue was small would go through all tasks of the owner.
    where (select t.status = 'Queued' and t.user_id = r.user_id from public.tasks as t where t.id = d.task_id)
  ),
  bounded as materialized (
    select r.* from reached as r limit 2 * v_look + 1
  ),
  -- One cause per task: a failure rather than a cancellation.
  chosen as (
    select distinct on (r.task_id) r.task_id, r.via, r.root, r.status, r.reason
    from bounded as r
    order by r.task_id, r.via is not null, r.status = 'Failed' desc, r.root, r.via
  )
  select (select count(*) from bounded), array_agg((
    c.task_id, null,
    case c.status when 'Failed' then 'Failed' else 'Cancelled' end,
    pg_catalog.format(
      'Cascaded failed from related task %s: %s (%s)', c.root,
      concat_ws(
        ' <- ', c.root,
        -- The last links of a long chain.
        case when b.via <> c.root then '…' end,
        case when b.via is not null then b.task_id end,
        c.task_id
      ),
      concat_ws(': ', c.status, c.reason)
    )
  )::queue.task_end)
  into v_ways, v_ends
  from chosen as c
    left join chosen as b on b.task_id = c.via and b.via is not null
  where c.via is not null;

  if v_ways > 2 * v_look or cardinality(v_ends) > v_most then
    perform queue.defer_lost(p_lost);
  elsif v_ends is not null then
    perform queue.end_tasks(v_ends);
  end if;
end;
$$;

comment on function queue.settle_lost(queue.task_end[]) is
  'Ends every queued task that depends, directly or not, on one of these, which were lost: Failed, Cancelled or deleted; later, when they are many.';

revoke all on function queue.settle_lost(queue.task_end[]) from public, anon, authenticated, service_role;
