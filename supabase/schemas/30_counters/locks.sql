-- Rows are locked in one order (docs/architecture.md, "Lock order"): tasks by id, then owners by id. The functions here
-- keep it; a plain write that meets a lock is refused with a clear answer.

-- Locks, before any owner, the other live tasks of these owners that a change of some may change: relatives of those
-- that were regrouped (including their new parents), that reported something (and their owners), that are Complete,
-- that are lost. A plain write that meets a lock is refused as in fairlane_core.lock_owners; the timeout is caught only
-- with p_is_plain, because that costs a subtransaction.
create function fairlane_core.lock_for_update(
  p_regrouped uuid[], p_children fairlane_core.subtasks[], p_reported uuid[], p_reporters uuid[], p_complete uuid[], p_lost uuid[], p_owners uuid[],
  p_is_plain boolean
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_is_plain then
    begin
      perform fairlane_core.lock_for_update(p_regrouped, p_children, p_reported, p_reporters, p_complete, p_lost, p_owners, false);
    exception when lock_not_available then
      perform fairlane_core.refuse_while_locked();
    end;
    return;
  end if;

  if p_regrouped is not null then
    perform fairlane_core.lock_relatives_of(
      p_regrouped || array(select s.task_id from fairlane_core.subtasks as s where s.replaced_by = any (p_regrouped)), p_owners, true
    );
    if p_children is not null then
      perform fairlane_core.lock_families(p_children);
    end if;
  end if;
  if p_reported is not null then
    perform fairlane_core.lock_relatives_of(p_reported, p_reporters, false);
  end if;
  if p_complete is not null then
    perform fairlane_core.lock_relatives_of(p_complete, p_owners, false);
  end if;
  if p_lost is not null then
    perform fairlane_core.lock_relatives_of(p_lost, p_owners, true);
  end if;
end;
$$;

-- Locks, in id order and before any owner, the live tasks that the arrival of these children may change: their
-- orchestrators, and the children that they replace, with the dependents of those.
create function fairlane_core.lock_families(p_children fairlane_core.subtasks[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_orchestrators uuid[];
  v_owners uuid[];
  v_replaced uuid[];
begin
  select array_agg(distinct c.orchestrator_id), array_agg(distinct c.user_id)
  into v_orchestrators, v_owners
  from unnest(p_children) as c;

  select array_agg(o.task_id)
  into v_replaced
  from unnest(p_children) as c
    cross join lateral (
      select s.task_id
      from fairlane_core.subtasks as s
      where s.orchestrator_id = c.orchestrator_id
        and s.user_id = c.user_id
        and s.final_rank = c.final_rank
        and s.part_index = c.part_index
        and s.task_type = c.task_type
        and s.replaced_by is null
    ) as o;

  if v_replaced is not null then
    perform fairlane_core.lock_relatives_of(v_replaced || v_orchestrators, v_owners, true);
    return;
  end if;

  perform
  from fairlane.tasks as t
  where t.id = any (v_orchestrators)
    and t.user_id = any (v_owners)
    and t.status in ('Queued', 'In Progress')
  order by t.id
  for no key update;
end;
$$;

-- What a function locks before it ends a task with this status (null = any), and before it locks anything else: the
-- task and every other live task that this end may change, in one statement and in id order. A task without relatives
-- costs two index probes.
create function fairlane_core.lock_relatives(p_task_id uuid, p_status text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  select t.user_id into v_user_id from fairlane.tasks as t where t.id = p_task_id;
  if v_user_id is not null then
    perform fairlane_core.lock_relatives_of(
      -- The children of a cancelled orchestrator are cancelled too, unless they are many
      -- (fairlane_core.cancel_children).
      p_task_id || case when p_status is null or p_status = 'Cancelled' then
        (select c.ids from fairlane_core.next_relatives(p_task_id, true, null, 101) as c (ids) where cardinality(c.ids) <= 100)
      end,
      array[v_user_id], p_status is distinct from 'Complete'
    );
  end if;
end;
$$;

-- Locks these tasks and the live tasks of these owners that their end may change, before any owner and in id order, so
-- that nobody else doing the same can deadlock with us: their dependents, the orchestrators that they are part of, and,
-- when they are lost (failed, cancelled, deleted), the dependents of those in turn. After a good end only direct
-- dependents change.
-- Locks nothing when nothing depends on them. If more than a thousand tasks do, whoever owns them, none of them changes
-- now (fairlane_core.deferred_work), and only these tasks and their orchestrators are locked.
create function fairlane_core.lock_relatives_of(p_task_ids uuid[], p_user_ids uuid[], p_is_lost boolean)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_look constant integer := 1000;
  v_above uuid[];
  v_waiting uuid[];
  v_lost uuid[];
begin
  -- Each by key: for an index that was analyzed while empty, the planner sees no difference between a list of keys and
  -- all rows.
  select array_agg(s.orchestrator_id)
  into v_above
  from unnest(p_task_ids) as i (id)
    cross join lateral (select c.orchestrator_id from fairlane_core.subtasks as c where c.task_id = i.id offset 0) as s;

  v_waiting := array(
    select d.task_id
    from unnest(p_task_ids) as i (id)
      cross join lateral (select w.task_id from fairlane_core.task_dependencies as w where w.depends_on = i.id offset 0) as d
    limit v_look + 1
  );

  if v_above is null and v_waiting = '{}' then
    return; -- no order to keep
  elsif cardinality(v_waiting) > v_look then
    v_waiting := '{}';
  end if;

  with recursive reached (task_id) as (
    select r.id from unnest(v_above || case when p_is_lost then v_waiting end) as r (id)
    union
    select n.id
    from reached as l
      cross join lateral (
        select d.task_id as id from fairlane_core.task_dependencies as d where d.depends_on = l.task_id
        union all
        select s.orchestrator_id from fairlane_core.subtasks as s where s.task_id = l.task_id
        offset 0 -- each by key: a join may read all dependencies
      ) as n
  )
  select array_agg(l.task_id)
  into v_lost
  from (select r.task_id from reached as r limit v_look + coalesce(cardinality(v_above), 0) + 1) as l;
  if cardinality(v_lost) > v_look + coalesce(cardinality(v_above), 0) then
    v_lost := null;
  end if;

  perform
  from fairlane.tasks as t
  where t.id = any (p_task_ids || v_above || v_waiting || v_lost)
    and t.status in ('Queued', 'In Progress')
    and t.user_id = any (p_user_ids)
  order by t.id
  for no key update;
end;
$$;

-- Locks the owners of what a write changes, in id order. A plain write over the Data API that meets a lock is refused
-- with 503 (fairlane_core.is_plain_write); functions and sessions get 55P03.
create function fairlane_core.lock_owners(p_user_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform from fairlane_core.user_slots as s where s.user_id = any (p_user_ids) order by s.user_id for no key update;
exception when lock_not_available then
  if fairlane_core.is_plain_write() then
    perform fairlane_core.refuse_while_locked();
  end if;
  raise;
end;
$$;

-- Whether the current statement is a write over the Data API that goes through no function. PostgREST has no status of
-- its own for a lock timeout: it maps 55P03 to 500. Where the triggers of a plain write take locks, they can answer 503
-- instead (fairlane_core.refuse_while_locked). False inside functions, which do that themselves, and for SQL sessions,
-- which know what 55P03 means.
create function fairlane_core.is_plain_write()
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(current_setting('fairlane_core.event', true), '') = ''
    and coalesce(current_setting('request.method', true), '') in ('POST', 'PATCH', 'PUT', 'DELETE')
    and coalesce(current_setting('request.path', true), '') not like '/rpc/%';
end;
$$;
