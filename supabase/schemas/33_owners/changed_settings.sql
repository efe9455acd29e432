-- A changed setting or type concerns existing tasks and owners: a few are updated at once, many piece by piece.

-- A changed default limit, or need for credits, concerns every user; a longer stale_after concerns every stale task.
-- The first hundred are updated at once, which is usually all; the rest later (fairlane_core.deferred_work).
create function fairlane_core.settings_after_update()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_work fairlane_core.deferred_work;
begin
  if new.stale_after > old.stale_after then
    insert into fairlane_core.deferred_work (kind, since) values ('stale', fairlane_core.now()) returning * into v_work;
    perform fairlane_core.settle_stale(v_work, 100);
  end if;

  if (new.default_task_limit, new.default_orchestration_limit, new.requires_credits)
    is distinct from (old.default_task_limit, old.default_orchestration_limit, old.requires_credits) then
    insert into fairlane_core.deferred_work (kind, since) values ('limits', fairlane_core.now()) returning * into v_work;
    perform fairlane_core.settle_limits(v_work, 100);
  end if;
  return null;
end;
$$;

create trigger settings_after_update
  after update on fairlane_core.settings
  for each row execute function fairlane_core.settings_after_update();

-- Gives the next users, up to p_limit, in id order, the changed default limit if they have none of their own, and
-- returns how many it read; null when somebody holds the only one left. Owners that are being served come after all
-- others.
create function fairlane_core.settle_limits(p_work fairlane_core.deferred_work, p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_next uuid[];
  v_mine uuid[];
  v_changed uuid[];
begin
  v_next := array(
    select s.user_id
    from fairlane_core.user_slots as s
    where s.user_id > coalesce(p_work.after_id, '00000000-0000-0000-0000-000000000000')
      and (p_work.only_id is null or s.user_id = p_work.only_id)
    order by s.user_id
    limit p_limit
  );
  v_mine := array(
    select s.user_id from fairlane_core.user_slots as s where s.user_id = any (v_next) order by s.user_id for no key update skip locked
  );
  if p_work.only_id is not null and cardinality(v_mine) < cardinality(v_next) then
    return null;
  end if;

  if cardinality(v_next) < p_limit or p_work.only_id is not null then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
  else
    update fairlane_core.deferred_work as w set after_id = v_next[p_limit] where w.id = p_work.id;
  end if;
  insert into fairlane_core.deferred_work (kind, only_id, since)
  select 'limits', h.id, p_work.since
  from unnest(v_next) as h (id)
  where h.id <> all (v_mine);

  with changed as (
    update fairlane_core.user_slots as s
    set (task_limit, has_credits, cloud_reason, local_reason, orchestration_limit) = (
      select w.task_limit, w.has_credits, w.cloud_reason, w.local_reason, w.orchestration_limit
      from fairlane_core.slots_of(u, s.running, s.orchestrating, s.remembered) as w
    )
    from fairlane.owners as u
    where s.user_id = any (v_mine)
      and u.id = s.user_id
    returning s.user_id
  )
  select array_agg(c.user_id) into v_changed from changed as c;
  perform fairlane_core.refresh_queues(v_changed);
  return cardinality(v_mine);
end;
$$;

-- Releases the next tasks, up to p_limit, that a longer stale_after makes fresh again, and returns how many. A task
-- that was derived again is not found again.
create function fairlane_core.settle_stale(p_work fairlane_core.deferred_work, p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_mine uuid[];
begin
  v_mine := array(
    select t.id
    from fairlane.tasks as t
    where t.readiness = 'stale'
      and t.created_at >= fairlane_core.now() - (select s.stale_after from fairlane_core.settings as s)
    order by t.created_at
    limit p_limit
    for no key update skip locked
  );
  perform fairlane_core.recompute_readiness(v_mine);
  if cardinality(v_mine) < p_limit and not exists (
    select
    from fairlane.tasks as t
    where t.readiness = 'stale'
      and t.created_at >= fairlane_core.now() - (select s.stale_after from fairlane_core.settings as s)
  ) then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
  end if;
  return cardinality(v_mine);
end;
$$;

-- A new type, or a change of pool, machines, kind or activity, concerns every live task of that type. Few are derived
-- again at once, many later (fairlane_core.deferred_work): the change itself costs the same however many are queued,
-- and claims obey it from its commit on (fairlane_core.lock_queue_head).
create function fairlane_core.task_types_after_write()
returns trigger
language plpgsql
security definer -- updates tasks on behalf of any caller who may write types
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 100;
  v_look constant integer := 1000;
  v_types text[] := array(select distinct n.name from unnest(array[old.name, new.name]) as n (name) where n.name is not null);
  v_owners uuid[];
  v_live uuid[];
  v_mine uuid[];
begin
  if (old.name, old.run_type, old.category, old.is_active, old.runs_on_own_gpu)
    is not distinct from (new.name, new.run_type, new.category, new.is_active, new.runs_on_own_gpu) then
    return null;
  end if;

  v_owners := array(select o.user_id from fairlane_core.owners_with_live_tasks(null, v_look + 1) as o (user_id));
  if cardinality(v_owners) <= v_look then
    v_live := array(
      select t.id
      from unnest(v_owners) as o (user_id)
        cross join unnest(v_types) as y (name)
        cross join lateral (select l.id from fairlane_core.live_tasks_of_type(o.user_id, y.name, null, v_most + 1) as l (id)) as t
      limit v_most + 1
    );
  end if;

  if cardinality(v_owners) > v_look or cardinality(v_live) > v_most then
    insert into fairlane_core.deferred_work (kind, task_type, since) select 'type', y.name, fairlane_core.now() from unnest(v_types) as y (name);
    return null;
  end if;

  v_mine := array(select t.id from fairlane.tasks as t where t.id = any (v_live) order by t.id for no key update skip locked);
  -- The update trigger derives pool, slot and readiness again where pool is null.
  update fairlane.tasks as t
  set pool = null
  where t.id = any (v_mine)
    and t.readiness is not null;
  -- A task that somebody is changing may have been derived before this change.
  insert into fairlane_core.deferred_work (kind, task_type, user_id, only_id, since)
  select 'type', t.task_type, coalesce(t.user_id, '00000000-0000-0000-0000-000000000000'), t.id, fairlane_core.now()
  from fairlane.tasks as t
  where t.id = any (v_live)
    and t.id <> all (v_mine);
  return null;
end;
$$;

create trigger task_types_after_write
  after insert or update or delete on fairlane.task_types
  for each row execute function fairlane_core.task_types_after_write();

-- Up to p_limit live tasks of this owner (00000000-0000-0000-0000-000000000000: without owner) and type, after this id,
-- in id order, through the index of live tasks.
create function fairlane_core.live_tasks_of_type(p_user_id uuid, p_task_type text, p_after uuid, p_limit integer)
returns setof uuid
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_user_id = '00000000-0000-0000-0000-000000000000' then
    return query
    select t.id
    from fairlane.tasks as t
    where t.user_id is null
      and left(t.task_type, 200) = left(p_task_type, 200)
      and left(t.task_type, 200) = left(p_task_type, 200)
      and t.task_type = p_task_type
      and t.readiness is not null
      and t.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
    order by t.id
    limit p_limit;
    return;
  end if;

  return query
  select t.id
  from fairlane.tasks as t
  where t.user_id = p_user_id
    and left(t.task_type, 200) = left(p_task_type, 200)
    and t.task_type = p_task_type
    and t.readiness is not null
    and t.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
  order by t.id
  limit p_limit;
end;
$$;

-- Up to p_limit owners who may have live tasks, after this one, in id order (00000000-0000-0000-0000-000000000000 for
-- tasks without one), without reading the tasks: user queues and blocked tasks are counted per owner.
create function fairlane_core.owners_with_live_tasks(p_after uuid, p_limit integer)
returns setof uuid
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select o.user_id
  from (
    (
      select distinct l.user_id
      from fairlane_core.user_queues as l
      where p_after is null or l.user_id > p_after
      order by l.user_id
      limit p_limit
    )
    union
    (
      select distinct b.user_id
      from fairlane_core.blocked_tasks as b
      where p_after is null or b.user_id > p_after
      order by b.user_id
      limit p_limit
    )
  ) as o
  order by o.user_id
  limit p_limit;
end;
$$;
