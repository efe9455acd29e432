-- What a change has left to do because it was too much for one transaction.

-- Continues deferred work, the oldest first: one bounded piece per call, by the job, and by claims that find nothing,
-- so that it does not depend on the job. A row that fails or is locked moves to the end of the queue (claims leave it
-- in place: an idle poll writes nothing), and the same call does not retry it. After five locked rows, for a claim one,
-- the call ends and leaves the rest to the next.
-- Processes a piece of the deferred work, up to p_limit tasks, and returns {settled, finished, failed}: tasks, rows of
-- fairlane_core.deferred_work that are done, and rows that failed, which the log explains. Safe to repeat. Repeat it
-- until settled and finished are 0.
create function fairlane_core.settle_deferred(p_limit integer default 100, p_may_move boolean default true)
returns json
language plpgsql
volatile
security definer -- changes tasks for pg_cron, claims and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set lock_timeout = '200ms' -- nobody's open transaction delays a claim or other work
as $$
declare
  v_most_rows constant integer := 200;
  v_work fairlane_core.deferred_work;
  v_is_left boolean;
  v_moved bigint[] := array[]::bigint[];
  v_moved_to bigint;
  v_waits integer := 0;
  v_count integer;
  v_rows integer := 0;
  v_settled integer := 0;
  v_finished integer := 0;
  v_failed integer := 0;
begin
  -- One at a time; a second run has nothing to add.
  if not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.settle_deferred', 0)) then
    return json_build_object('settled', 0, 'finished', 0, 'failed', 0);
  end if;

  v_work.id := 0;
  perform fairlane_core.set_event_context('fairlane_core.settle');
  while v_settled < p_limit and v_rows < v_most_rows and v_waits < case when p_may_move then 5 else 1 end loop
    select w.*
    into v_work
    from fairlane_core.deferred_work as w
    where w.id > v_work.id
      and w.id <> all (v_moved)
    order by w.id
    limit 1
    for update skip locked;
    exit when not found;
    v_rows := v_rows + 1;

    begin
      v_count := fairlane_core.settle_piece(v_work, p_limit - v_settled);
    exception
      when lock_not_available or deadlock_detected then
        v_count := null;
        v_waits := v_waits + 1;
      when others then
        raise warning 'fairlane_core.settle_deferred: % of %: % (%)', v_work.kind, coalesce(v_work.task_id, v_work.deleted_id), sqlerrm, sqlstate;
        v_failed := v_failed + 1;
        v_count := null;
    end;

    if v_count is null and p_may_move then
      delete from fairlane_core.deferred_work as w where w.id = v_work.id;
      insert into fairlane_core.deferred_work (
        kind, task_id, user_id, status, root_id, reason, task_type, after_id, only_id, since, deleted_id
      )
      values (
        v_work.kind, v_work.task_id, v_work.user_id, v_work.status, v_work.root_id, v_work.reason, v_work.task_type,
        v_work.after_id, v_work.only_id, v_work.since, v_work.deleted_id
      )
      returning id into v_moved_to;
      v_moved := v_moved || v_moved_to;
    end if;
    v_is_left := exists (select from fairlane_core.deferred_work as w where w.id = v_work.id);
    v_finished := v_finished + (v_count is not null and not v_is_left)::integer;
    v_settled := v_settled + coalesce(v_count, 0);
  end loop;
  perform fairlane_core.set_event_context(null);

  return json_build_object('settled', v_settled, 'finished', v_finished, 'failed', v_failed);
end;
$$;

-- Processes the next piece of one row of deferred work, up to p_limit tasks, and returns how many; null when somebody
-- holds the owner or the only task left. It waits for nobody: it locks the owner first, as a claim does, then the
-- tasks, and leaves what somebody holds for later as a row of its own.
create function fairlane_core.settle_piece(p_work fairlane_core.deferred_work, p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_look constant integer := 1000;
  v_kind text := p_work.kind;
  v_ended_as text;
  v_next uuid[];
  v_due uuid[];
  v_mine uuid[];
  v_is_over boolean;
begin
  if v_kind = 'limits' then
    return fairlane_core.settle_limits(p_work, 5 * p_limit);
  elsif v_kind = 'stale' then
    return fairlane_core.settle_stale(p_work, p_limit);
  elsif v_kind in ('user', 'project') then
    return fairlane_core.settle_deletion(p_work, p_limit);
  elsif v_kind = 'type' and p_work.user_id is null then
    -- One row per owner who has live tasks of the type.
    v_next := array(select o.user_id from fairlane_core.owners_with_live_tasks(p_work.after_id, v_look) as o (user_id));
    insert into fairlane_core.deferred_work (kind, task_type, user_id, since)
    select 'type', p_work.task_type, o.user_id, p_work.since
    from unnest(v_next) as o (user_id)
    where exists (select from fairlane_core.live_tasks_of_type(o.user_id, p_work.task_type, null, 1));
    if cardinality(v_next) < v_look then
      delete from fairlane_core.deferred_work as w where w.id = p_work.id;
      return 0;
    end if;
    update fairlane_core.deferred_work as w set after_id = v_next[v_look] where w.id = p_work.id;
    return 1;
  end if;

  perform from fairlane_core.user_slots as s where s.user_id = p_work.user_id for no key update skip locked;
  if not found and exists (select from fairlane_core.user_slots as s where s.user_id = p_work.user_id) then
    return null;
  end if;

  -- The task may have been requeued, or enqueued again, since it ended.
  select t.status into v_ended_as from fairlane.tasks as t where t.id = p_work.task_id and t.user_id = p_work.user_id;
  if v_kind = 'lost' and v_ended_as not in ('Failed', 'Cancelled') then
    v_kind := 'dependents';
  elsif v_kind in ('children', 'siblings') and v_ended_as is distinct from nullif(p_work.status, 'deleted') then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
    return 0;
  end if;

  v_next := case
    when p_work.only_id is not null then array[p_work.only_id]
    when v_kind = 'type' then array(
      select l.id from fairlane_core.live_tasks_of_type(p_work.user_id, p_work.task_type, p_work.after_id, v_look) as l (id)
    )
    else fairlane_core.next_relatives(p_work.task_id, v_kind in ('children', 'siblings'), p_work.after_id, v_look)
  end;
  v_due := array(
    select t.id
    from fairlane.tasks as t
    where t.id = any (v_next)
      and (t.status = 'Queued' or (t.status = 'In Progress' and v_kind in ('children', 'type')))
      and t.user_id is not distinct from nullif(p_work.user_id, '00000000-0000-0000-0000-000000000000')
      and (v_kind <> 'type' or fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness))
    order by t.id
    limit p_limit
  );
  v_mine := array(
    select t.id
    from fairlane.tasks as t
    where t.id = any (v_due)
      and (t.status = 'Queued' or (t.status = 'In Progress' and v_kind in ('children', 'type')))
    order by t.id
    for no key update skip locked
  );
  if p_work.only_id is not null and cardinality(v_mine) < cardinality(v_due) then
    return null;
  end if;

  v_is_over := cardinality(v_due) < p_limit and (cardinality(v_next) < v_look or p_work.only_id is not null);
  if v_is_over then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
  else
    update fairlane_core.deferred_work as w
    set after_id = case when cardinality(v_due) = p_limit then v_due[p_limit] else v_next[v_look] end
    where w.id = p_work.id;
  end if;
  insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, task_type, only_id, since)
  select
    p_work.kind, p_work.task_id, p_work.user_id, p_work.status, p_work.root_id, p_work.reason, p_work.task_type, h.id, p_work.since
  from unnest(v_due) as h (id)
  where h.id <> all (v_mine);

  case v_kind
    when 'dependents' then
      perform fairlane_core.recompute_readiness(v_mine);
    when 'type' then
      update fairlane.tasks as t set pool = null where t.id = any (v_mine);
    when 'children' then
      perform fairlane_core.end_tasks(array(
        select (
          m.id, p_work.user_id, 'Cancelled',
          pg_catalog.format('Cascaded failed from related task %s: its orchestrator was %s', p_work.task_id, p_work.status)
        )::fairlane_core.task_end
        from unnest(v_mine) as m (id)
      ));
    when 'siblings' then
      perform fairlane_core.end_siblings(v_mine, p_work.user_id, p_work.task_id, p_work.root_id, p_work.reason);
    when 'lost' then
      -- The dependents of these in turn.
      insert into fairlane_core.deferred_work (kind, task_id, user_id, status, root_id, reason, since)
      select 'lost', m.id, p_work.user_id, p_work.status, p_work.root_id, p_work.reason, p_work.since
      from unnest(v_mine) as m (id)
      where exists (select from fairlane_core.task_dependencies as d where d.depends_on = m.id);
      perform fairlane_core.end_tasks(array(
        select (
          m.id, p_work.user_id, case p_work.status when 'Failed' then 'Failed' else 'Cancelled' end,
          pg_catalog.format(
            'Cascaded failed from related task %s: %s (%s)', p_work.root_id,
            concat_ws(
              ' <- ', p_work.root_id,
              -- The last links of a long chain.
              case
                when p_work.task_id <> p_work.root_id and not exists (
                  select from fairlane_core.task_dependencies as d where d.task_id = p_work.task_id and d.depends_on = p_work.root_id
                ) then '…'
              end,
              nullif(p_work.task_id, p_work.root_id),
              m.id
            ),
            concat_ws(': ', p_work.status, p_work.reason)
          )
        )::fairlane_core.task_end
        from unnest(v_mine) as m (id)
      ), p_in_turn => true);
  end case;
  return cardinality(v_mine);
end;
$$;
