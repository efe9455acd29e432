-- What follows from changed tasks: counters, history, result records, dependents, families.

-- After an update statement: counters, history, result records, dependents and families follow in the same transaction,
-- whoever writes.
create function fairlane_core.tasks_after_update()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may update
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_changes fairlane_core.counter_delta[];
  v_held fairlane_core.held_slots[];
  v_complete uuid[];
  v_lost fairlane_core.task_end[];
  v_owners uuid[];
  v_moved uuid[];
  v_from text[];
  v_to text[];
  v_now timestamptz;
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
  v_mode constant text := coalesce(current_setting('fairlane_core.mode', true), '');
  v_is_direct constant boolean := v_event = '';
  v_noticed jsonb := nullif(current_setting('fairlane_core.noticed', true), '')::jsonb;
  v_reports jsonb;
  v_regrouped uuid[];
  v_children fairlane_core.subtasks[];
  v_rewired uuid[];
  v_waited_for uuid[];
  v_reported uuid[];
  v_reporters uuid[];
  -- Not inside another trigger, which may intend to go on without the lock.
  v_is_plain boolean := v_is_direct and pg_trigger_depth() = 1 and fairlane_core.is_plain_write();
  v_has_moved boolean;
  v_has_shifted boolean;
  v_has_left boolean;
  v_has_forgotten boolean;
  v_has_said boolean;
  v_details jsonb;
begin
  -- One query decides what else to check: a heartbeat or a progress report changes nothing derived.
  select
    array_agg(n.id) filter (where e.has_ended and n.status = 'Complete'),
    array_agg((n.id, n.user_id, n.status, n.error_message)::fairlane_core.task_end) filter (where e.has_ended and n.status in ('Failed', 'Cancelled')),
    array_agg(distinct n.user_id) filter (where e.has_ended),
    array_agg(n.id) filter (where e.has_ended),
    array_agg(o.status) filter (where e.has_ended),
    array_agg(n.status) filter (where e.has_ended),
    bool_or(n.status <> o.status or n.lease_token <> o.lease_token),
    bool_or(
      (n.user_id, n.pool, n.status, n.token_id, n.run_type, n.takes_slot, n.readiness, n.lease_token)
        is distinct from (o.user_id, o.pool, o.status, o.token_id, o.run_type, o.takes_slot, o.readiness, o.lease_token)
    ),
    bool_or(o.readiness = 'active' and n.readiness is distinct from 'active' and (v_mode = '' or strpos(v_mode, 'let_go:' || o.id) = 0)),
    bool_or(o.readiness = 'active' and n.readiness is distinct from 'active' and not o.takes_slot),
    bool_or(n.status = 'In Progress' and n.output_location is distinct from o.output_location)
  into v_complete, v_lost, v_owners, v_moved, v_from, v_to, v_has_moved, v_has_shifted, v_has_left, v_has_forgotten, v_has_said
  -- A full join, with no condition that would reduce it: the plan is made for the few rows of a first call and kept,
  -- and an inner join planned for few rows compares every pair. A full join is merged or hashed, however many rows
  -- there are.
  from new_rows as n
    full join old_rows as o on o.id = n.id
    cross join lateral (
      -- Ended, or requeued after its end.
      select n.status <> o.status and (n.status not in ('Queued', 'In Progress') or o.status not in ('Queued', 'In Progress')) as has_ended
    ) as e;
  if strpos(v_mode, 'ends_in_turn') > 0 then
    v_lost := null;
    -- For this statement only, not for those that follow from it.
    perform set_config('fairlane_core.mode', replace(v_mode, 'ends_in_turn', ''), true);
  end if;
  if v_noticed is not null then
    perform set_config('fairlane_core.noticed', '', true);
  end if;
  if v_has_shifted then
    v_now := fairlane_core.now();
  end if;

  -- A direct change of an orchestrator's text counts as a report (fairlane_core.update_task_status).
  if v_is_direct and v_has_said then
    select
      jsonb_agg(jsonb_build_object('id', n.id, 'text', n.output_location) order by n.user_id, n.id),
      array_agg(n.id), array_agg(distinct n.user_id)
    into v_reports, v_reported, v_reporters
    from new_rows as n
      full join old_rows as o on o.id = n.id -- full as above
    where coalesce(
      n.status = 'In Progress'
        and o.status = 'In Progress'
        and n.output_location <> ''
        and n.output_location is distinct from o.output_location
        and (not n.takes_slot or n.task_type like '%orchestrat%'),
      false
    );
  end if;

  -- Tasks that are now part of something else, or wait for something else (noticed by
  -- fairlane_core.tasks_before_update).
  if v_noticed ? 'regroups' then
    select
      array_agg(n.id order by n.id) filter (
        where fairlane_core.subtask_of(n.id, n.user_id, n.task_type, n.params)
          is distinct from fairlane_core.subtask_of(o.id, o.user_id, o.task_type, o.params)
      ),
      array_agg(n.id order by n.id) filter (where n.dependant_on is distinct from o.dependant_on),
      array_agg(o.dependant_on order by n.id) filter (where n.dependant_on is distinct from o.dependant_on),
      array_agg(distinct n.user_id) || array_agg(distinct o.user_id)
    into v_regrouped, v_rewired, v_waited_for, v_owners
    from new_rows as n
      full join old_rows as o on o.id = n.id -- full as above
    where coalesce(n.id = o.id, false);
    if strpos(v_mode, 'moves_project') > 0 then
      v_regrouped := null; -- fairlane_core.move_project moves whole families
    end if;
  end if;

  -- Other tasks are locked before any owner, as everywhere.
  if v_regrouped is not null then
    select array_agg(c.child)
    into v_children
    from (select fairlane_core.subtask_of(n.id, n.user_id, n.task_type, n.params) as child from new_rows as n where n.id = any (v_regrouped)) as c
    where (c.child).task_id is not null;
  end if;
  if coalesce(v_moved, v_regrouped, v_reported) is not null then
    perform fairlane_core.lock_for_update(
      v_regrouped, v_children, v_reported, v_reporters, v_complete, (select array_agg(l.task_id) from unnest(v_lost) as l), v_owners,
      v_is_plain
    );
  end if;

  if v_has_shifted then
    select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.readiness, g.delta)::fairlane_core.counter_delta)
    into v_changes
    from (
      select
        m.user_id, m.pool,
        case when m.status = 'In Progress' then m.token_id is null else m.run_type is distinct from 'local' end as is_cloud,
        m.takes_slot,
        case when m.readiness = 'active' and not m.takes_slot and fairlane_core.is_handed_over(m.id, m.lease_token) then 'enqueued' else m.readiness end as readiness,
        sum(m.delta)::integer as delta
      from (
        select o.id, o.user_id, o.pool, o.status, o.token_id, o.run_type, o.takes_slot, o.readiness, o.lease_token, -1 as delta from old_rows as o
        union all
        select n.id, n.user_id, n.pool, n.status, n.token_id, n.run_type, n.takes_slot, n.readiness, n.lease_token, 1 from new_rows as n
      ) as m
      where m.readiness is not null
      group by 1, 2, 3, 4, 5
      having sum(m.delta) <> 0
    ) as g;
  end if;

  -- The holder of an attempt that somebody else ended may still be working on it: its slot is not free yet.
  if v_has_left then
    v_held := array(
      select h.held
      from (
        select fairlane_core.held_after(
          o.id, o.user_id, o.pool, o.takes_slot, o.worker_id, o.token_id, o.lease_token, o.attempts, o.generation_started_at, v_now
        ) as held
        from old_rows as o
          full join new_rows as n on n.id = o.id -- full as above
        -- A direct requeue says that nobody runs the task any more.
        where coalesce(o.readiness = 'active' and n.readiness is distinct from 'active' and not (n.status = 'Queued' and v_is_direct), false)
      ) as h
      where (h.held).task_id is not null
    );
    if v_held <> '{}' then
      v_changes := v_changes || array(
        select (h.user_id, h.pool, h.token_id is null, h.takes_slot, 'held', 1)::fairlane_core.counter_delta from unnest(v_held) as h
      );
    end if;
  end if;

  if v_is_plain and (v_changes is not null or v_owners is not null) then
    perform fairlane_core.lock_owners(
      array(select c.user_id from unnest(v_changes) as c)
        || case when v_moved is not null or v_regrouped is not null or v_rewired is not null then v_owners end
    );
  end if;
  if v_changes is not null then
    perform fairlane_core.apply_counter_deltas(v_changes, v_now);
  end if;
  if cardinality(v_held) > 0 then
    perform fairlane_core.hold_slots(v_held);
  end if;
  if v_has_forgotten then
    delete from fairlane_core.handovers as h
    using new_rows as n
    where h.orchestrator_id = n.id
      and n.readiness is distinct from 'active';
  end if;

  -- The state, or the attempt (a second attempt by the same worker changes only the lease).
  if v_has_moved then
    -- A direct change gives all its rows the same text; the event keeps more of it than they do.
    v_details := case
      when v_event <> '' then nullif(v_event::jsonb -> 'details', 'null')
      else nullif(coalesce(v_noticed, '{}') - 'regroups', '{}')
    end;
    insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
    select
      n.id, n.user_id, v_now, o.status, n.status, coalesce(n.worker_id, o.worker_id),
      greatest(n.attempts, o.attempts), -- an uncounted attempt is still recorded under its number
      fairlane_core.actor(),
      coalesce(
        case when v_event <> '' then v_event::json ->> 'reason' end,
        case
          when n.status <> 'Complete' then fairlane_core.reason_of_change(
            o.status, n.status, n.attempts <> o.attempts, o.error_message, n.error_message, o.error_details, n.error_details, v_is_direct
          )
        end
      ),
      case
        when o.status = 'In Progress' and n.status in ('Queued', 'Failed') then
          coalesce(v_details, '{}')
            || jsonb_build_object('signs', fairlane_core.signs_of_life(o.id, o.worker_id, o.claimed_at, o.reported_at, o.delivered_at))
        else v_details
      end
    from new_rows as n
      full join old_rows as o on o.id = n.id -- full as above
    where coalesce(n.status <> o.status or n.lease_token <> o.lease_token, false);
  end if;

  if v_moved is not null then
    perform fairlane_core.settle_ends(v_moved, v_from, v_to, v_complete, v_lost);
  end if;
  if v_regrouped is not null or v_rewired is not null then
    perform fairlane_core.lock_owners(v_owners);
    if v_regrouped is not null then
      perform fairlane_core.regroup(v_regrouped);
    end if;
    if v_rewired is not null then
      perform fairlane_core.follow_dependencies(v_rewired, v_waited_for);
    end if;
  end if;
  if v_reports is not null then
    perform fairlane_core.note_enqueued(r.id, r.text) from jsonb_to_recordset(v_reports) as r (id uuid, text text);
  end if;
  return null;
end;
$$;

create trigger tasks_after_update
  after update on fairlane.tasks
  referencing old table as old_rows new table as new_rows
  for each statement
  -- A claim and a plain completion update counters and history themselves (fairlane_core.claim_next_task,
  -- fairlane_core.start_task, fairlane_core.complete_task); a heartbeat changes none.
  when (current_setting('fairlane_core.mode', true) is distinct from 'counts_itself')
  execute function fairlane_core.tasks_after_update();
