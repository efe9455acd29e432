-- A family in the owner's world: an orchestrator of two joins that has enqueued both, and both of them run.
create function isolation.insert_orchestrator()
returns void
language plpgsql
as $$
begin
  -- The rule of the limit counts everything that runs.
  perform isolation.set_limit(9);
  insert into public.tasks (id, task_type, project_id, params)
  values (
    isolation.id('orchestrator'), 'montage_orchestrator', isolation.id('owner'),
    isolation.announcing_merges(3)
  );
  insert into public.tasks (id, task_type, project_id, params)
  select isolation.id('join ' || n), isolation.merge_type(), isolation.id('owner'), isolation.join_params(n)
  from generate_series(0, 1) as n;

  update public.tasks
  set status = 'In Progress', worker_id = 'worker-of-' || task_type, lease_token = id, attempts = 1, claimed_at = fairlane_core.now()
  where id in (isolation.id('orchestrator'), isolation.id('join 0'), isolation.id('join 1'));
end;
$$;

create function isolation.join_params(p_index integer)
returns jsonb
language sql
as $$
  select isolation.merge_params(isolation.id('orchestrator'), p_index)
$$;

create function isolation.insert_join(p_label text, p_index integer)
returns void
language sql
as $$
  insert into public.tasks (id, task_type, project_id, params)
  values (isolation.id(p_label), isolation.merge_type(), isolation.id('owner'), isolation.join_params(p_index))
$$;

-- The rules of families, once the job that mends has run.
create function isolation.expect_family()
returns void
language plpgsql
as $$
declare
  v_orchestrator public.tasks;
  v_statuses text[];
begin
  perform fairlane_core.repair_orchestrations();
  perform isolation.expect_order();

  select t.* into v_orchestrator from public.tasks as t where t.id = isolation.id('orchestrator');
  select array_agg(t.status)
  into v_statuses
  from fairlane_core.subtasks as s
    join public.tasks as t on t.id = s.task_id
  where s.orchestrator_id = v_orchestrator.id
    and s.replaced_by is null;

  if exists (
    select
    from fairlane_core.subtasks as s
    where s.orchestrator_id = v_orchestrator.id
      and s.replaced_by is null
    group by s.part_index
    having count(*) > 1
  ) then
    raise exception 'invariant: a part is there twice';
  elsif v_orchestrator.status = 'Cancelled' and v_statuses && array['Queued', 'In Progress'] then
    raise exception 'invariant: a child of a cancelled orchestrator is %', v_statuses;
  elsif v_orchestrator.status = 'In Progress' and fairlane_core.is_waiting_for_children(v_orchestrator) and (
    'Failed' = any (v_statuses) or not v_statuses && array['Queued', 'In Progress']
  ) then
    raise exception 'invariant: an orchestrator still runs, its children are %', v_statuses;
  elsif v_orchestrator.status = 'Complete' and v_orchestrator.output_location not like 'https://files.test/%' then
    raise exception 'invariant: an orchestrator is Complete with %', v_orchestrator.output_location;
  end if;
end;
$$;
