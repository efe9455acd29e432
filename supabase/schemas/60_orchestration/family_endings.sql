-- What the end of one member does to its family.

-- Tasks have ended, or were requeued: update the counts of their families. An orchestrator's end is recorded, its
-- children are cancelled if it was cancelled, and an orchestrator whose children have changed is checked for its end.
-- Updates the counts of the families of these tasks, which went from one status to another, and applies the
-- consequences. Call it under the owners' locks.
create function fairlane_core.settle_families(p_task_ids uuid[], p_from text[], p_to text[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changes fairlane_core.family_change[];
  v_change fairlane_core.family_change;
  v_cancelled uuid[];
  v_failed uuid[];
begin
  -- Most tasks have no family. Each by key, as in fairlane_core.lock_relatives_of.
  if not exists (
      select
      from unnest(p_task_ids) as i (id)
        cross join lateral (
          select from fairlane_core.subtasks as s where s.task_id = i.id
          union all
          select from fairlane_core.orchestrations as o where o.orchestrator_id = i.id
          offset 0
        ) as f
    ) then
    return;
  end if;

  with change as (
    select
      c.orchestrator_id,
      sum((m.new_status in ('Queued', 'In Progress'))::integer - (m.old_status in ('Queued', 'In Progress'))::integer)::integer as open,
      sum((m.new_status = 'Complete')::integer - (m.old_status = 'Complete')::integer)::integer as complete,
      sum((m.new_status = 'Failed')::integer - (m.old_status = 'Failed')::integer)::integer as failed,
      sum((m.new_status = 'Cancelled')::integer - (m.old_status = 'Cancelled')::integer)::integer as cancelled
    from unnest(p_task_ids, p_from, p_to) as m (task_id, old_status, new_status)
      -- One child by key: a join may compare every pair.
      cross join lateral (
        select s.orchestrator_id, s.user_id
        from fairlane_core.subtasks as s
        where s.task_id = m.task_id
          and s.replaced_by is null
        limit 1
      ) as c
    where exists (
      select from fairlane_core.orchestrations as o where o.orchestrator_id = c.orchestrator_id and o.user_id = c.user_id
    )
    group by c.orchestrator_id
  )
  select array_agg((c.orchestrator_id, c.open, c.complete, c.failed, c.cancelled)::fairlane_core.family_change order by c.orchestrator_id)
  into v_changes
  from change as c;

  with ended as (
    update fairlane_core.orchestrations as o
    set ended_as = case when m.new_status in ('Complete', 'Failed', 'Cancelled') then m.new_status end
    from unnest(p_task_ids, p_to) as m (task_id, new_status)
    where o.orchestrator_id = m.task_id
    returning o.orchestrator_id, o.user_id, o.ended_as
  )
  select
    array_agg(e.orchestrator_id) filter (where e.ended_as = 'Cancelled'),
    array_agg(e.orchestrator_id) filter (where e.ended_as = 'Failed')
  into v_cancelled, v_failed
  from ended as e
  where e.ended_as in ('Cancelled', 'Failed')
    and e.user_id = (select t.user_id from fairlane.tasks as t where t.id = e.orchestrator_id);

  if v_changes is not null then
    foreach v_change in array v_changes loop
      update fairlane_core.orchestrations as o
      set open_count = o.open_count + v_change.open,
        complete_count = o.complete_count + v_change.complete,
        failed_count = o.failed_count + v_change.failed,
        cancelled_count = o.cancelled_count + v_change.cancelled,
        changed_at = fairlane_core.now()
      where o.orchestrator_id = v_change.orchestrator_id;
    end loop;
    foreach v_change in array v_changes loop
      perform fairlane_core.finish_orchestrator(v_change.orchestrator_id);
    end loop;
  end if;

  if v_cancelled is not null then
    perform fairlane_core.cancel_children(v_cancelled, 'Cancelled');
  end if;
  if v_failed is not null then
    perform fairlane_core.fail_children(v_failed);
  end if;
end;
$$;

-- Cancels the open children of orchestrators that were Cancelled or deleted; finished ones stay. A child that somebody
-- is changing is left to fairlane_core.repair_orchestrations: nobody waits for a task while holding an owner. For more
-- than a hundred the cancellation is deferred (fairlane_core.settle_deferred). Returns how many were cancelled.
create function fairlane_core.cancel_children(p_orchestrator_ids uuid[], p_what text)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 100;
  v_ends fairlane_core.task_end[];
begin
  if (
    select count(*)
    from (
      select
      from unnest(p_orchestrator_ids) as o (id)
        cross join lateral unnest(fairlane_core.next_relatives(o.id, true, null, v_most + 1))
      limit v_most + 1
    ) as n
  ) > v_most then
    insert into fairlane_core.deferred_work (kind, task_id, user_id, status, since)
    select 'children', o.orchestrator_id, o.user_id, p_what, fairlane_core.now()
    from fairlane_core.orchestrations as o
    where o.orchestrator_id = any (p_orchestrator_ids)
      and not exists (
        select from fairlane_core.deferred_work as w where w.task_id = o.orchestrator_id and w.kind = 'children' and w.only_id is null
      );
    return 0;
  end if;

  select array_agg((
    c.id, c.user_id, 'Cancelled',
    pg_catalog.format('Cascaded failed from related task %s: its orchestrator was %s', c.orchestrator_id, p_what)
  )::fairlane_core.task_end)
  into v_ends
  from (
    select t.id, t.user_id, s.orchestrator_id
    from fairlane_core.subtasks as s
      join fairlane_core.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
      join fairlane.tasks as t on t.id = s.task_id and t.user_id = s.user_id
    where s.orchestrator_id = any (p_orchestrator_ids)
      and t.status in ('Queued', 'In Progress')
    order by t.id
    for no key update of t skip locked
  ) as c;

  if v_ends is null then
    return 0;
  end if;
  perform fairlane_core.end_tasks(v_ends);
  return cardinality(v_ends);
end;
$$;

-- If the settings say so, the queued children of failed orchestrators fail too: their family can no longer produce a
-- result. Running ones finish. Nobody waits for a task while holding an owner, so a child that somebody is changing,
-- and more than a hundred children, are left to fairlane_core.settle_deferred; that runs late (p_is_late), and skips
-- children that an operator has requeued since. Returns how many failed.
create function fairlane_core.fail_children(p_orchestrator_ids uuid[], p_is_late boolean default false)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 100;
  v_orchestrator record;
  v_mine uuid[];
  v_count integer := 0;
begin
  if not (select s.fails_siblings from fairlane_core.settings as s) then
    return 0;
  end if;

  for v_orchestrator in
    select o.orchestrator_id, o.user_id, pg_catalog.left(nullif(t.error_message, ''), 500) as reason,
      -- The child that is the cause, as recorded for the orchestrator (fairlane_core.finish_orchestrator).
      coalesce(
        substring(t.error_message from '^Cascaded failed from related task ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})')::uuid,
        o.orchestrator_id
      ) as root_id
    from fairlane_core.orchestrations as o
      join fairlane.tasks as t on t.id = o.orchestrator_id and t.user_id = o.user_id
    where o.orchestrator_id = any (p_orchestrator_ids)
      and t.status = 'Failed'
    order by o.orchestrator_id
  loop
    -- A row of deferred work covers all of its children; one is enough.
    continue when exists (
      select from fairlane_core.deferred_work as w where w.task_id = v_orchestrator.orchestrator_id and w.kind = 'siblings' and w.only_id is null
    );
    if cardinality(fairlane_core.next_relatives(v_orchestrator.orchestrator_id, true, null, v_most + 1)) > v_most then
      -- When it runs late, the only children left may be running, or requeued by an operator.
      if not p_is_late or exists (
        select
        from fairlane_core.subtasks as s
          join fairlane.tasks as t on t.id = s.task_id
        where s.orchestrator_id = v_orchestrator.orchestrator_id
          and t.status = 'Queued'
          and t.requeue_count = 0
      ) then
        insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
        values (
          'siblings', v_orchestrator.orchestrator_id, v_orchestrator.user_id, 'Failed', v_orchestrator.root_id,
          v_orchestrator.reason, fairlane_core.now()
        );
      end if;
      continue;
    end if;

    v_mine := array(
      select t.id
      from fairlane_core.subtasks as s
        join fairlane.tasks as t on t.id = s.task_id and t.user_id = s.user_id
      where s.orchestrator_id = v_orchestrator.orchestrator_id
        and s.user_id = v_orchestrator.user_id
        and t.status = 'Queued'
        and not (p_is_late and t.requeue_count > 0)
      order by t.id
      for no key update of t skip locked
    );
    insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, only_id, since)
    select
      'siblings', v_orchestrator.orchestrator_id, v_orchestrator.user_id, 'Failed', v_orchestrator.root_id,
      v_orchestrator.reason, t.id, fairlane_core.now()
    from fairlane_core.subtasks as s
      join fairlane.tasks as t on t.id = s.task_id and t.user_id = s.user_id
    where s.orchestrator_id = v_orchestrator.orchestrator_id
      and s.user_id = v_orchestrator.user_id
      and t.status = 'Queued'
      and t.id <> all (v_mine)
      and not p_is_late;
    perform fairlane_core.end_siblings(v_mine, v_orchestrator.user_id, v_orchestrator.orchestrator_id, v_orchestrator.root_id, v_orchestrator.reason);
    v_count := v_count + cardinality(v_mine);
  end loop;
  return v_count;
end;
$$;

-- The end of children whose family has failed, with the text that deployed debug tools look for. The owner is already
-- locked, so dependents are not: most of them are among the children, and the rest follows later
-- (fairlane_core.settle_deferred).
-- Ends these children Failed, because the task p_root_id has failed and their orchestrator with it.
create function fairlane_core.end_siblings(p_task_ids uuid[], p_user_id uuid, p_orchestrator_id uuid, p_root_id uuid, p_reason text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if cardinality(p_task_ids) > 0 then
    insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
    select 'lost', m.id, p_user_id, 'Failed', p_root_id, p_reason, fairlane_core.now()
    from unnest(p_task_ids) as m (id)
    where exists (
      select from fairlane_core.task_dependencies as d where d.depends_on = m.id and d.task_id <> all (p_task_ids)
    );
    perform fairlane_core.end_tasks(array(
      select (
        m.id, p_user_id, 'Failed',
        pg_catalog.format(
          'Cascaded failed from related task %s: orchestrator %s has Failed%s', p_root_id, p_orchestrator_id,
          ' (' || p_reason || ')'
        )
      )::fairlane_core.task_end
      from unnest(p_task_ids) as m (id)
    ), p_in_turn => true);
  end if;
end;
$$;
