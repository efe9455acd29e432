-- What: everything that follows from the rows of August 2025: what each user may do, readiness and dependencies of live
-- tasks, families under way, owners of results, totals.
-- Why: the triggers derive for these rows what they would have derived at the insert; in pieces that are committed one
-- by one, running tasks first. An interrupted run continues where it was.
-- Back out: nothing to do; what is derived can be derived again.

set lock_timeout = '900ms';
set statement_timeout = 0;

-- What each user may do; for users added since the functions exist a trigger has done it.
do $$
declare
  v_users_at_once constant integer := 1000;
  v_count integer;
begin
  loop
    insert into fairlane_core.user_slots
    select w.*
    from (
      select u
      from public.users as u
      where not exists (select from fairlane_core.user_slots as s where s.user_id = u.id)
      limit v_users_at_once
    ) as n
      cross join lateral fairlane_core.slots_of(n.u, 0, 0, 0) as w
    on conflict do nothing;
    get diagnostics v_count = row_count;
    commit;
    exit when v_count = 0;
  end loop;
end;
$$;

-- Live tasks.
do $$
declare
  v_tasks_at_once constant integer := 100;
  v_pages_at_once constant bigint := 100;
  v_page bigint := 0;
  v_end bigint := pg_relation_size('public.tasks') / current_setting('block_size')::bigint;
  v_from tid;
  v_to tid;
  v_running uuid[];
begin
  -- A limit counts what runs, so running tasks come first, grouped by owner.
  v_running := array(
    select t.id from public.tasks as t where t.status = 'In Progress' and t.readiness is null order by t.user_id, t.id
  );
  for v_at in 1 .. cardinality(v_running) by v_tasks_at_once loop
    update public.tasks as t
    set pool = null
    where t.id = any (v_running[v_at : v_at + v_tasks_at_once - 1])
      and t.status = 'In Progress'
      and t.readiness is null;
    commit;
  end loop;

  while v_page < v_end loop
    v_from := format('(%s,0)', v_page)::tid;
    v_to := format('(%s,0)', v_page + v_pages_at_once)::tid;

    insert into fairlane_core.task_dependencies (task_id, depends_on)
    select t.id, t.dependant_on
    from public.tasks as t
    where t.ctid >= v_from
      and t.ctid < v_to
      and t.status = 'Queued'
      and t.readiness is null
      and t.dependant_on <> t.id
    on conflict do nothing;

    update public.tasks as t
    set pool = null
    where t.ctid >= v_from
      and t.ctid < v_to
      and t.status in ('Queued', 'In Progress')
      and t.readiness is null;

    commit;
    v_page := v_page + v_pages_at_once;
  end loop;
end;
$$;

-- Families of orchestrators that are under way, owner by owner. Only an orchestrator's tasks since its creation are
-- read, so that a long history costs nothing.
do $$
declare
  v_owner uuid;
  v_orchestrators uuid[];
begin
  foreach v_owner in array array(
    select distinct o.user_id
    from public.tasks as o
    where o.readiness is not null
      and (not o.takes_slot or o.task_type like '%orchestrator%')
      and o.user_id is not null
    order by o.user_id
  ) loop
    -- Tasks before their owner, as everywhere.
    v_orchestrators := array(
      select o.id
      from public.tasks as o
      where o.user_id = v_owner
        and o.readiness is not null
        and (not o.takes_slot or o.task_type like '%orchestrator%')
      order by o.id
      for no key update
    );
    perform from fairlane_core.user_slots as s where s.user_id = v_owner for no key update;

    insert into fairlane_core.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
    select c.task_id, c.orchestrator_id, c.user_id, c.task_type, c.final_rank, c.part_index
    from public.tasks as t
      join public.tasks as o on o.id::text = lower(t.params ->> 'orchestrator_task_id_ref')
      cross join lateral fairlane_core.subtask_of(t.id, t.user_id, t.task_type, t.params) as c
    where t.user_id = v_owner
      and o.id = any (v_orchestrators)
      and t.created_at >= o.created_at
      and t.created_at >= (select min(f.created_at) from public.tasks as f where f.id = any (v_orchestrators))
      and c.task_id is not null
    order by t.created_at, t.id
    on conflict do nothing;

    -- Of several children for one part the complete one counts, else the first: deployed clients delete the later ones.
    update fairlane_core.subtasks as s
    set replaced_by = k.task_id
    from (
      select distinct on (c.orchestrator_id, c.task_type, c.part_index)
        c.orchestrator_id, c.task_type, c.part_index, c.task_id
      from fairlane_core.subtasks as c
        join public.tasks as t on t.id = c.task_id
      where c.orchestrator_id = any (v_orchestrators)
        and c.user_id = v_owner
        and c.part_index is not null
      order by c.orchestrator_id, c.task_type, c.part_index, t.status = 'Complete' desc, t.status in ('Queued', 'In Progress') desc, c.seq
    ) as k
    where s.orchestrator_id = k.orchestrator_id
      and s.user_id = v_owner
      and s.task_type = k.task_type
      and s.part_index = k.part_index
      and s.task_id <> k.task_id
      and s.replaced_by is null;

    -- The text that a running orchestrator leaves is its report.
    insert into fairlane_core.orchestrations as o
    select w.*
    from fairlane_core.recount_families(v_orchestrators) as f
      join public.tasks as t on t.id = f.orchestrator_id
      cross join lateral jsonb_populate_record(
        f,
        case when t.status = 'In Progress' and t.output_location <> '' then jsonb_build_object('enqueued_attempt', t.attempts) else '{}' end
      ) as w
    on conflict (orchestrator_id) do update
      set open_count = excluded.open_count,
        complete_count = excluded.complete_count,
        failed_count = excluded.failed_count,
        cancelled_count = excluded.cancelled_count,
        part_count = excluded.part_count,
        merge_count = excluded.merge_count,
        final_count = excluded.final_count,
        enqueued_attempt = coalesce(o.enqueued_attempt, excluded.enqueued_attempt);

    perform fairlane_core.hand_over(t)
    from fairlane_core.orchestrations as f
      join public.tasks as t on t.id = f.orchestrator_id
    where f.orchestrator_id = any (v_orchestrators)
      and t.status = 'In Progress'
      and t.readiness = 'active'
      and not t.takes_slot
      and not fairlane_core.is_handed_over(t.id, t.lease_token)
      and (f.enqueued_attempt = t.attempts or fairlane_core.is_enqueued(f, t));
    commit;
  end loop;
end;
$$;

-- Owners of the old result records, and the task each came from if its location shows it: owners read their own records
-- only, and a repair (repair_generations) would create a second record where it finds none.
do $$
declare
  v_pages_at_once constant bigint := 250;
  v_page bigint := 0;
  v_end bigint := pg_relation_size('public.generations') / current_setting('block_size')::bigint;
begin
  while v_page < v_end loop
    update public.generations as g
    set user_id = p.user_id
    from public.projects as p
    where g.ctid >= format('(%s,0)', v_page)::tid
      and g.ctid < format('(%s,0)', v_page + v_pages_at_once)::tid
      and g.user_id is null
      and p.id = g.project_id;
    commit;
    v_page := v_page + v_pages_at_once;
  end loop;

  -- Only if one record and one task of a project have the same location.
  update public.generations as g
  set task_id = pair.task_id
  from (
    select r.generation_id, t.task_id
    from (
      select k.project_id, k.location, (array_agg(k.id))[1] as generation_id
      from public.generations as k
      where k.task_id is null
      group by k.project_id, k.location
      having count(*) = 1
    ) as r
      join (
        select k.project_id, k.output_location, (array_agg(k.id))[1] as task_id
        from public.tasks as k
        where k.status = 'Complete'
        group by k.project_id, k.output_location
        having count(*) = 1
      ) as t on t.project_id = r.project_id and t.output_location = r.location
    where not exists (select from public.generations as o where o.task_id = t.task_id)
  ) as pair
  where g.id = pair.generation_id;
  commit;
end;
$$;

-- The fleet's unknown types should be listed at once, not when they come again: types without a row of the last week.
do $$
begin
  insert into fairlane_core.unknown_types as u (name, task_count, first_seen_at, last_seen_at)
  select t.task_type, count(*), min(t.created_at), max(t.created_at)
  from public.tasks as t
  where t.created_at > fairlane_core.now() - interval '7 days'
    and length(t.task_type) between 1 and 200
    and not exists (select from public.task_types as y where y.name = t.task_type)
  group by t.task_type
  order by count(*) desc
  limit 1000
  on conflict (name) do nothing;
  commit;
end;
$$;

-- Totals; and owners whose tasks changed while the files before this one ran: for a moment the rules existed, but not
-- everything that they count with.
do $$
declare
  v_size constant integer := 5;
  v_owners uuid[];
begin
  perform fairlane_core.recount_totals();
  commit;
  -- Owners that are being served are left; what still drifts after this many rounds is left to the job.
  for v_try in 1 .. 20 loop
    -- The slowest first, before any owner is locked: the totals, and tasks without an owner.
    v_owners := array(select distinct d.user_id from fairlane_core.drift() as d order by d.user_id nulls first);
    exit when cardinality(v_owners) = 0;
    for v_at in 1 .. cardinality(v_owners) by v_size loop
      perform fairlane_core.reconcile_owners(v_owners[v_at : v_at + v_size - 1]);
      commit;
    end loop;
  end loop;
end;
$$;
