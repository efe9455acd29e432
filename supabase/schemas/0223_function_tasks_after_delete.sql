-- A deleted task leaves the counters; what depended on it can never run and goes with it.
create function queue.tasks_after_delete()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may delete
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_changes queue.load_change[];
  v_held queue.held_slots[];
  v_actor text := queue.actor();
  v_now timestamptz := queue.now();
  v_ids uuid[];
  v_statuses text[];
  v_owners uuid[];
  v_lost queue.task_end[];
  v_gone uuid[];
  v_is_plain boolean := queue.is_plain_write();
begin
  select
    array_agg(o.id), array_agg(o.status), array_agg(distinct o.user_id),
    array_agg((o.id, o.user_id, 'deleted', null)::queue.task_end)
  into v_ids, v_statuses, v_owners, v_lost
  from old_rows as o;

  if v_ids is null then
    return null;
  end if;
  -- And the children that a deleted one had replaced.
  v_gone := v_ids || array(select s.task_id from queue.subtasks as s where s.replaced_by = any (v_ids));
  perform queue.lock_for_update(null, null, null, null, null, v_gone, v_owners, v_is_plain);
  if v_is_plain then
    perform queue.lock_owners(v_owners);
  end if;

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.standing, g.delta)::queue.load_change)
  into v_changes
  from (
    select
      o.user_id, o.pool,
      case when o.status = 'In Progress' then o.token_id is null else o.run_type is distinct from 'local' end as is_cloud,
      o.takes_slot,
      case when o.standing = 'active' and not o.takes_slot and queue.is_handed_over(o.id, o.lease_token) then 'enqueued' else o.standing end as standing,
      -count(*)::integer as delta
    from old_rows as o
    where o.standing is not null
    group by 1, 2, 3, 4, 5
  ) as g;

  -- Whoever ran what is gone may still be at work on it.
  if exists (select from unnest(v_changes) as c where c.standing = 'active') then
    v_held := array(
      select h.held
      from (
        select queue.held_after(
          o.id, o.user_id, o.pool, o.takes_slot, o.worker_id, o.token_id, o.lease_token, o.attempts, o.generation_started_at, v_now
        ) as held
        from old_rows as o
        where o.standing = 'active'
      ) as h
      where (h.held).task_id is not null
    );
    v_changes := v_changes || array(
      select (h.user_id, h.pool, h.token_id is null, h.takes_slot, 'held', 1)::queue.load_change from unnest(v_held) as h
    );
  end if;

  if v_changes is not null then
    perform queue.shift_load(v_changes, v_now);
  end if;
  if cardinality(v_held) > 0 then
    perform queue.hold_slots(v_held);
  end if;
  delete from queue.handovers as h
  using old_rows as o
  where h.orchestrator_id = o.id
    and not o.takes_slot;

  -- Also where nothing is counted: families are changed under the owner's lock.
  perform from queue.user_slots as s where s.user_id = any (v_owners) order by s.user_id for no key update;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select o.id, o.user_id, v_now, o.status, o.status, o.worker_id, o.attempts, v_actor, 'deleted'
  from old_rows as o;

  perform queue.leave_families(v_ids, v_statuses);
  perform queue.settle_lost(v_lost);
  return null;
end;
$$;

comment on function queue.tasks_after_delete() is 'Trigger: counters, history, families and dependants of deleted tasks.';

revoke all on function queue.tasks_after_delete() from public, anon, authenticated, service_role;

create trigger tasks_after_delete
  after delete on public.tasks
  referencing old table as old_rows
  for each statement execute function queue.tasks_after_delete();
