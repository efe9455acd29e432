-- Finds families that were missed, and counts them again.

-- Families that were missed: orchestrators whose children have decided their end, and children that a cancelled
-- orchestrator left behind. Once a minute; bounded, safe to run twice or in parallel, and it waits for nobody: a locked
-- family is left for the next run.
-- Ends at most p_limit orchestrators that their children have ended, and the children that cancelled ones left, or
-- failed ones if their children fail with them; returns {completed, failed, cancelled, children_cancelled,
-- children_failed}.
create function fairlane_core.repair_orchestrations(p_limit integer default 100)
returns json
language plpgsql
volatile
security definer -- ends tasks for pg_cron and the operator
set search_path = ''
set enable_seqscan = off -- few families need it, however many there are
as $$
declare
  v_quiet_before timestamptz := fairlane_core.now() - (select s.family_quiet_after from fairlane_core.settings as s);
  v_family record;
  v_ended_as text;
  v_complete integer := 0;
  v_failed integer := 0;
  v_cancelled integer := 0;
  v_children integer := 0;
  v_children_failed integer := 0;
begin
  perform fairlane_core.set_event_context('fairlane_core.repair_orchestrations');
  for v_family in
    select f.orchestrator_id, f.user_id, f.ended_as, f.is_quiet
    from (
      select o.orchestrator_id, o.user_id, o.ended_as, o.changed_at < v_quiet_before as is_quiet, o as family
      from fairlane_core.orchestrations as o
      where (
        o.ended_as is null
        and (o.failed_count > 0 or (o.open_count = 0 and o.complete_count + o.cancelled_count > 0))
      ) or (o.ended_as = 'Cancelled' and o.open_count > 0)
    ) as f
      join fairlane.tasks as t on t.id = f.orchestrator_id and t.user_id = f.user_id
    where f.ended_as = 'Cancelled'
      or (t.status = 'In Progress' and fairlane_core.is_enqueued(f.family, t, f.is_quiet))
      or (t.status = 'Queued' and t.claimed_at is not null and (f.family).failed_count + (f.family).cancelled_count = 0
        and fairlane_core.is_enqueued(f.family, t, f.is_quiet))
    order by f.user_id, f.orchestrator_id
    limit p_limit
  loop
    perform from fairlane.tasks as t where t.id = v_family.orchestrator_id for no key update skip locked;
    continue when not found;
    perform from fairlane_core.user_slots as s where s.user_id = v_family.user_id for no key update skip locked;
    continue when not found;

    if v_family.ended_as = 'Cancelled' then
      v_children := v_children + fairlane_core.cancel_children(array[v_family.orchestrator_id], 'Cancelled');
    else
      v_ended_as := fairlane_core.finish_orchestrator(v_family.orchestrator_id, v_family.is_quiet);
      v_complete := v_complete + coalesce(v_ended_as = 'Complete', false)::integer;
      v_failed := v_failed + coalesce(v_ended_as = 'Failed', false)::integer;
      v_cancelled := v_cancelled + coalesce(v_ended_as = 'Cancelled', false)::integer;
    end if;
  end loop;

  -- Children that were running when their family failed, and were requeued since.
  for v_family in
    select o.orchestrator_id, o.user_id
    from fairlane_core.orchestrations as o
    where o.ended_as = 'Failed'
      and o.open_count > 0
      and (select s.fails_siblings from fairlane_core.settings as s)
      and exists (
        select
        from fairlane_core.subtasks as k
        where k.orchestrator_id = o.orchestrator_id
          and (select t.status = 'Queued' and t.requeue_count = 0 from fairlane.tasks as t where t.id = k.task_id)
      )
    order by o.user_id, o.orchestrator_id
    limit p_limit
  loop
    perform from fairlane_core.user_slots as s where s.user_id = v_family.user_id for no key update skip locked;
    continue when not found;
    v_children_failed := v_children_failed + fairlane_core.fail_children(array[v_family.orchestrator_id], true);
  end loop;
  perform fairlane_core.set_event_context(null);

  return json_build_object(
    'completed', v_complete, 'failed', v_failed, 'cancelled', v_cancelled, 'children_cancelled', v_children,
    'children_failed', v_children_failed
  );
end;
$$;

-- Records the children of one user that are missing from fairlane_core.subtasks, and counts the user's families again.
-- The caller holds the user's lock.
create function fairlane_core.reconcile_families(p_user_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into fairlane_core.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
  select c.task_id, c.orchestrator_id, c.user_id, c.task_type, c.final_rank, c.part_index
  from (
    select t.created_at, (fairlane_core.subtask_of(t.id, t.user_id, t.task_type, t.params)).*
    from fairlane.tasks as t
    where t.user_id = p_user_id
      and t.readiness is not null
      and t.params ? fairlane_core.parent_key()
  ) as c
  where c.task_id is not null
  order by c.created_at, c.task_id
  on conflict (task_id) do update
    set orchestrator_id = excluded.orchestrator_id,
      task_type = excluded.task_type,
      final_rank = excluded.final_rank,
      part_index = excluded.part_index;

  insert into fairlane_core.orchestrations as o
  select r.*
  from fairlane_core.recount_families(array(
    select t.id
    from fairlane.tasks as t
    where t.user_id = p_user_id
      and t.readiness is not null
      and exists (select from fairlane_core.subtasks as s where s.orchestrator_id = t.id)
    union
    select k.orchestrator_id from fairlane_core.orchestrations as k where k.user_id = p_user_id and k.ended_as is null
  )) as r
  on conflict (orchestrator_id) do update
    set user_id = excluded.user_id,
      open_count = excluded.open_count,
      complete_count = excluded.complete_count,
      failed_count = excluded.failed_count,
      cancelled_count = excluded.cancelled_count,
      part_count = excluded.part_count,
      merge_count = excluded.merge_count,
      final_count = excluded.final_count,
      ended_as = excluded.ended_as
    where (
      o.user_id, o.open_count, o.complete_count, o.failed_count, o.cancelled_count, o.part_count, o.merge_count, o.final_count, o.ended_as
    ) is distinct from (
      excluded.user_id, excluded.open_count, excluded.complete_count, excluded.failed_count, excluded.cancelled_count,
      excluded.part_count, excluded.merge_count, excluded.final_count, excluded.ended_as
    );

  delete from fairlane_core.orchestrations as o
  where o.user_id = p_user_id
    and o.ended_as is null
    and not exists (select from fairlane.tasks as t where t.id = o.orchestrator_id and t.user_id = o.user_id);
end;
$$;

-- The rows of fairlane_core.orchestrations as counted from the tasks, for those of these orchestrators that have
-- children; enqueued_attempt is null. A family whose orchestrator is missing, or belongs to somebody else, is not
-- counted.
create function fairlane_core.recount_families(p_orchestrator_ids uuid[])
returns setof fairlane_core.orchestrations
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select
    o.id, o.user_id,
    n.open_count, n.complete_count, n.failed_count, n.cancelled_count, n.part_count, n.merge_count, n.final_count,
    null::integer,
    case when o.status in ('Complete', 'Failed', 'Cancelled') then o.status end,
    fairlane_core.now()
  -- A join: `= any` of an empty array implies the predicate of every partial index, and one of them would be read
  -- whole.
  from unnest(p_orchestrator_ids) as f (id)
    join fairlane.tasks as o on o.id = f.id
    cross join lateral (
      select
        (count(*) filter (where t.status in ('Queued', 'In Progress')))::integer as open_count,
        (count(*) filter (where t.status = 'Complete'))::integer as complete_count,
        (count(*) filter (where t.status = 'Failed'))::integer as failed_count,
        (count(*) filter (where t.status = 'Cancelled'))::integer as cancelled_count,
        (count(*) filter (where s.final_rank = 1))::integer as part_count,
        (count(*) filter (where s.final_rank = 2))::integer as merge_count,
        (count(*) filter (where s.final_rank = 3))::integer as final_count
      from fairlane_core.subtasks as s
        join fairlane.tasks as t on t.id = s.task_id
      where s.orchestrator_id = o.id
        and s.user_id = o.user_id
        and s.replaced_by is null
    ) as n
  where exists (select from fairlane_core.subtasks as s where s.orchestrator_id = o.id and s.user_id = o.user_id);
end;
$$;
