-- What the end of a task does to its dependents: they may run, or end as well.

-- Applies what follows when tasks go from one status to another (p_moved, p_from, p_to), in one statement: result
-- records, dependents, families. Of these tasks p_complete are Complete, and p_lost Failed or Cancelled. The caller
-- holds the locks.
create function fairlane_core.settle_ends(p_moved uuid[], p_from text[], p_to text[], p_complete uuid[], p_lost fairlane_core.task_end[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_complete is not null then
    perform fairlane_core.record_generations(p_complete);
    perform fairlane_core.unblock_dependents(p_complete);
  end if;
  -- Families first: the orchestrator should name the child that failed, not one that was cancelled with it.
  perform fairlane_core.settle_families(p_moved, p_from, p_to);
  if p_lost is not null then
    perform fairlane_core.cascade_failure(p_lost);
  end if;
end;
$$;

-- Tasks that waited for tasks that are now Complete, or that have appeared or returned. They are locked before they are
-- read, so that of two dependencies that end at the same time the second sees the first. Only tasks of the same owner:
-- naming somebody else's task creates no dependency, and no end waits for a stranger's row. If many tasks wait, only
-- the end is recorded now, and they follow later (fairlane_core.deferred_work).
create function fairlane_core.unblock_dependents(p_task_ids uuid[], p_but uuid[] default '{}')
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
  from (
    select
    from unnest(p_task_ids) as i (id)
      -- Each by key, as in fairlane_core.lock_relatives_of.
      cross join lateral (select from fairlane_core.task_dependencies as d where d.depends_on = i.id offset 0) as d
    limit v_look + 1
  ) as l;
  if v_links = 0 then
    return;
  end if;

  if v_links <= v_look then
    v_waiting := array(
      select d.task_id
      from unnest(p_task_ids) as i (id)
        cross join lateral (
          select w.task_id, w.depends_on from fairlane_core.task_dependencies as w where w.depends_on = i.id offset 0
        ) as d
      where d.task_id <> all (p_but)
        -- By key; as a join, a plan from when the queue was small would scan all tasks of the owner.
        and (
          select t.status = 'Queued'
            and t.user_id is not distinct from (select c.user_id from fairlane.tasks as c where c.id = d.depends_on)
          from fairlane.tasks as t
          where t.id = d.task_id
        )
      limit v_most + 1
    );
    if cardinality(v_waiting) <= v_most then
      perform
      from fairlane.tasks as t
      where t.id = any (v_waiting)
        and t.status = 'Queued'
      order by t.id
      for no key update;
      perform fairlane_core.recompute_readiness(v_waiting);
      return;
    end if;
  end if;

  insert into fairlane_core.deferred_work (kind, task_id, user_id, status, since)
  select 'dependents', t.id, t.user_id, t.status, fairlane_core.now()
  from fairlane.tasks as t
  where t.id = any (p_task_ids)
    and exists (select from fairlane_core.task_dependencies as d where d.depends_on = t.id);
end;
$$;

-- What waited for a task that failed, was cancelled or deleted can never run. All of it ends too, however long the
-- chain: Failed below a failed task, else Cancelled. Only queued tasks of the same owner; a dependency on somebody
-- else's task has no effect (fairlane_core.dependency_state). Up to a hundred end at once; for more, their end is
-- deferred (fairlane_core.deferred_work). Until then they wait, and no claim gets them.
create function fairlane_core.cascade_failure(p_lost fairlane_core.task_end[])
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
  v_ends fairlane_core.task_end[];
begin
  -- How many tasks depend on them at all, whoever owns them.
  with recursive below (task_id) as (
    select d.task_id
    from unnest(p_lost) as l
      join fairlane_core.task_dependencies as d on d.depends_on = l.task_id
    where l.user_id is not null
    union
    select d.task_id
    from below as b
      join fairlane_core.task_dependencies as d on d.depends_on = b.task_id
  )
  select count(*) into v_links from (select from below as b limit v_look + 1) as b;
  if v_links = 0 then
    return;
  elsif v_links > v_look then
    perform fairlane_core.defer_lost(p_lost);
    return;
  end if;

  with recursive reached (task_id, via, root, user_id, status, reason) as (
    -- Each task once per path and cause: diamonds do not multiply, and a cycle ends.
    select l.task_id, null::uuid, l.task_id, l.user_id, l.status, pg_catalog.left(nullif(l.reason, ''), 500)
    from unnest(p_lost) as l
    where l.user_id is not null
      and exists (select from fairlane_core.task_dependencies as d where d.depends_on = l.task_id)
    union
    select d.task_id, r.task_id, r.root, r.user_id, r.status, r.reason
    from reached as r
      join fairlane_core.task_dependencies as d on d.depends_on = r.task_id
    -- One task by key; as a join, a plan from when the queue was small would scan all tasks of the owner.
    where (select t.status = 'Queued' and t.user_id = r.user_id from fairlane.tasks as t where t.id = d.task_id)
  ),
  bounded as materialized (
    select r.* from reached as r limit 2 * v_look + 1
  ),
  -- One cause per task: a failure takes precedence over a cancellation.
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
  )::fairlane_core.task_end)
  into v_ways, v_ends
  from chosen as c
    left join chosen as b on b.task_id = c.via and b.via is not null
  where c.via is not null;

  if v_ways > 2 * v_look or cardinality(v_ends) > v_most then
    perform fairlane_core.defer_lost(p_lost);
  elsif v_ends is not null then
    perform fairlane_core.end_tasks(v_ends);
  end if;
end;
$$;

-- Defers the end of the dependents of these lost tasks to fairlane_core.settle_deferred.
create function fairlane_core.defer_lost(p_lost fairlane_core.task_end[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
  select 'lost', l.task_id, l.user_id, l.status, l.task_id, pg_catalog.left(nullif(l.reason, ''), 500), fairlane_core.now()
  from unnest(p_lost) as l
  where l.user_id is not null
    and exists (select from fairlane_core.task_dependencies as d where d.depends_on = l.task_id);
end;
$$;

-- Ends live tasks because of others: Failed or Cancelled, each with its own reason. The event context of the causing
-- change must not apply to them, so it is replaced for the moment. p_in_turn: the caller takes care of their dependents
-- (fairlane_core.settle_deferred).
create function fairlane_core.end_tasks(p_ends fairlane_core.task_end[], p_in_turn boolean default false)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
  v_mode constant text := coalesce(current_setting('fairlane_core.mode', true), '');
begin
  perform fairlane_core.set_event_context(fairlane_core.actor());
  perform set_config('fairlane_core.mode', concat_ws(' ', v_mode, case when p_in_turn then 'ends_in_turn' end), true);
  update fairlane.tasks as t
  set status = e.status,
    error_message = fairlane_core.cut_text(e.reason),
    output_location = fairlane_core.cut_text(e.reason) -- where deployed debug tools read it
  from unnest(p_ends) as e
  where t.id = e.task_id
    and t.status in ('Queued', 'In Progress');
  perform set_config('fairlane_core.mode', v_mode, true);
  perform set_config('fairlane_core.event', v_event, true);
end;
$$;

-- The relatives of a task with ids after p_after_id (null = all), in id order, the first p_most: the children of this
-- orchestrator, or else the task's dependents. So a hundred thousand can be processed in pieces, with no more than
-- p_most read in one transaction. No statistics may make reading all of them first look as cheap.
create function fairlane_core.next_relatives(p_task_id uuid, p_are_children boolean, p_after_id uuid, p_most integer)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- they come in index order
set enable_bitmapscan = off -- a bitmap reads everything before the limit applies
as $$
declare
  v_after_id constant uuid := coalesce(p_after_id, '00000000-0000-0000-0000-000000000000');
begin
  if p_are_children then
    return array(
      select s.task_id
      from fairlane_core.subtasks as s
      where s.orchestrator_id = p_task_id
        and s.task_id > v_after_id
      order by s.task_id
      limit p_most
    );
  end if;
  return array(
    select d.task_id
    from fairlane_core.task_dependencies as d
    where d.depends_on = p_task_id
      and d.task_id > v_after_id
    order by d.task_id
    limit p_most
  );
end;
$$;
