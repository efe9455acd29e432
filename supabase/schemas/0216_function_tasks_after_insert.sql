-- After an insert statement: dependencies recorded, counters moved, history begun. Per statement, so that a bulk
-- insert moves each counter once.
create function queue.tasks_after_insert()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may insert
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_changes queue.load_change[];
  v_now timestamptz := queue.now();
  v_actor text := queue.actor();
  v_unsettled uuid[];
  v_awaited uuid[];
  v_dependants uuid[];
  v_children queue.subtasks[];
  v_orchestrators uuid[];
  v_has_children boolean;
  v_has_unsettled boolean;
begin
  -- One look says what else is to be asked: most tasks wait for nothing and are a part of nothing.
  select
    array_agg(n.id) filter (where n.dependant_on is not null),
    -- An orchestrator may come after its children.
    array_agg(n.id) filter (where not n.takes_slot or n.task_type like '%orchestrat%'),
    bool_or(n.params ? 'orchestrator_task_id_ref'),
    bool_or(n.standing in ('dependency_lost', 'dependency_pending'))
  into v_dependants, v_orchestrators, v_has_children, v_has_unsettled
  from new_rows as n;

  if v_dependants is not null then
    insert into queue.task_dependencies (task_id, depends_on)
    select n.id, n.dependant_on
    from new_rows as n
    where n.dependant_on is not null
    on conflict do nothing;
  end if;
  if v_has_children then
    select array_agg(c.child)
    into v_children
    from (
      select queue.subtask_of(n.id, n.user_id, n.task_type, n.params) as child
      from new_rows as n
      where n.params ? 'orchestrator_task_id_ref'
    ) as c
    where (c.child).task_id is not null;
  end if;

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.standing, g.delta)::queue.load_change)
  into v_changes
  from (
    select n.user_id, n.pool, n.run_type is distinct from 'local' as is_cloud, n.takes_slot, n.standing, count(*)::integer as delta
    from new_rows as n
    where n.standing is not null
    group by 1, 2, 3, 4, 5
  ) as g;

  -- All that an insert waits for. PostgREST has no status of its own for a lock that was not to be had.
  begin
    -- Other tasks are locked before any owner, like everywhere.
    if v_children is not null then
      perform queue.lock_families(v_children);
    end if;
    if v_changes is not null then
      perform queue.shift_load(v_changes, v_now);
    end if;
  exception when lock_not_available then
    perform queue.refuse_while_locked();
  end;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select n.id, n.user_id, v_now, null, n.status, n.worker_id, n.attempts, v_actor, 'created'
  from new_rows as n;

  if v_dependants is not null then
    perform queue.refuse_cycles(v_dependants);
  end if;

  -- A dependency may have come, ended or gone between the look at it and the owner's lock, which is held from here on; and a
  -- task that others already wait for may only now have come.
  -- By their keys: as joins, a plan from when the queue was small goes through new rows for each waiting task.
  if v_has_unsettled then
    select array_agg(n.id)
    into v_unsettled
    from new_rows as n
    where n.standing in ('dependency_lost', 'dependency_pending')
      and exists (
        select
        from queue.task_dependencies as d
        where d.task_id = n.id
          and case n.standing
            -- What is missing or somebody else's has not changed.
            when 'dependency_lost' then (select t.user_id is not distinct from n.user_id from public.tasks as t where t.id = d.depends_on)
            else coalesce((select t.status in ('Complete', 'Failed', 'Cancelled') from public.tasks as t where t.id = d.depends_on), true)
          end
      );
  end if;
  if v_unsettled is not null then
    perform queue.ask_standing_again(v_unsettled);
  end if;

  select array_agg(n.id)
  into v_awaited
  from new_rows as n
  where exists (
    select
    from queue.task_dependencies as d
    where d.depends_on = n.id
      and (
        select t.standing = 'dependency_lost' and t.user_id is not distinct from n.user_id
        from public.tasks as t
        where t.id = d.task_id
      )
  );
  if v_awaited is not null then
    perform queue.settle_dependants(v_awaited);
  end if;

  if v_children is not null or v_orchestrators is not null then
    perform queue.join_families(v_orchestrators, v_children);
  end if;

  return null;
end;
$$;

comment on function queue.tasks_after_insert() is 'Trigger: dependencies, families, counters and history of newly inserted tasks.';

revoke all on function queue.tasks_after_insert() from public, anon, authenticated, service_role;

create trigger tasks_after_insert
  after insert on public.tasks
  referencing new table as new_rows
  for each statement execute function queue.tasks_after_insert();
