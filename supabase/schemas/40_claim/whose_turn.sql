-- Which owner a claim serves: the first in turn who is free and has something for this worker; and what happens to a
-- task that cannot be handed out.

-- Looks for work until it has a task or knows that every remaining one is held. The first looks pass over users whom
-- somebody else is serving; then it waits briefly for one such user; the last looks pass over again, and the reply says
-- how many (docs/adr/0019-a-claim-does-not-wait-for-an-open-transaction.md). Each look is a subtransaction: one that
-- does not end in a claim releases its locks, so that nobody waits while holding an owner's slots.
-- Claims the next cloud task of the pool for this worker and returns it; null when there is none that nobody else holds
-- (fairlane_core.say_passed_over).
create function fairlane_core.take_next_task(p_caller fairlane_core.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity fairlane_core.affinity, p_now timestamptz)
returns fairlane.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_old_before timestamptz := p_now - (select s.stale_after from fairlane_core.settings as s);
  v_passed_over uuid[] := array[]::uuid[];
  v_user_id uuid;
  v_task_id uuid;
  v_wait boolean := false;
  v_wait_since timestamptz;
  v_holder text;
  v_has_written boolean;
  v_is_held boolean;
  v_is_locked boolean;
  v_held_count integer := 0;
  v_unfit_id uuid;
  v_unfit_count integer := 0;
  -- A transaction that has already written may hold locks that others wait for: then this claim waits for nobody.
  v_may_wait boolean := pg_current_xact_id_if_assigned() is null;
  v_task fairlane.tasks;
  -- Types that have changed while not all of their tasks are derived again: each head is checked.
  v_is_behind boolean := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
begin
  -- Nothing tells the queue that a task's time has come, so every claim checks. From here on owners' locks are held,
  -- even if the due tasks turn out to be held by somebody else.
  perform fairlane_core.release_due_tasks(p_pool, p_caller);
  v_may_wait := v_may_wait and pg_current_xact_id_if_assigned() is null;

  loop
    begin
      v_task_id := null;
      v_has_written := false;
      v_is_held := false;
      v_is_locked := not v_wait;
      if v_wait then
        v_user_id := fairlane_core.first_open_user(p_pool, v_passed_over);
        v_holder := fairlane_core.holder_of_slots(v_user_id);
        v_wait_since := coalesce(v_wait_since, clock_timestamp());
        v_is_locked := fairlane_core.wait_for_owner(v_user_id);
        v_wait_since := null;
      elsif p_affinity.model is not null then
        v_user_id := fairlane_core.lock_user_with_affinity(p_pool, v_passed_over, p_affinity);
      else
        with turn as materialized (
          -- Fewest attempts first, then who has waited longest for a turn.
          select
            s.user_id, s.running, s.task_limit, l.ready_cloud > 0 as has_slot_tasks,
            l.ready_cloud_orchestration > 0 and s.orchestrating < s.orchestration_limit as may_orchestrate
          from fairlane_core.user_queues as l
            join fairlane_core.user_slots as s on s.user_id = l.user_id
          where l.pool = p_pool
            and l.is_open
            and l.user_id <> all (v_passed_over)
          order by l.turn_load, l.last_served_at
          limit 1
          for no key update of s skip locked
        )
        select u.user_id, h.id
        into v_user_id, v_task_id
        from turn as u
          left join lateral (
            select k.id, k.attempts, k.since, k.has_bounded_params
            from (
              select s.*
              from (
                select t.id, t.attempts, t.created_at, greatest(t.created_at, t.available_at, t.released_at) as since, t.priority, t.has_bounded_params
                from fairlane.tasks as t
                where t.user_id = u.user_id
                  and t.pool = p_pool
                  and t.run_type = 'cloud'
                  and t.takes_slot
                  and t.readiness = 'ready'
                  and u.has_slot_tasks
                order by t.priority desc, t.created_at, t.id
                limit 1
                for no key update skip locked
              ) as s
              union all
              select o.*
              from (
                select t.id, t.attempts, t.created_at, greatest(t.created_at, t.available_at, t.released_at) as since, t.priority, t.has_bounded_params
                from fairlane.tasks as t
                where t.user_id = u.user_id
                  and t.pool = p_pool
                  and t.run_type = 'cloud'
                  and not t.takes_slot
                  and t.readiness = 'ready'
                  and u.may_orchestrate
                order by t.priority desc, t.created_at, t.id
                limit 1
                for no key update skip locked
              ) as o
            ) as k
            order by k.priority desc, k.created_at, k.id
            limit 1
          ) as h on u.running < u.task_limit
            and h.has_bounded_params
            and (h.attempts > 0 or h.since >= v_old_before)
            and not v_is_behind;
      end if;

      -- One statement decides the plain case; everything else is checked again under the user's lock.
      if v_user_id is not null and v_task_id is null and v_is_locked then
        select h.task_id, h.has_written, h.is_held
        into v_task_id, v_has_written, v_is_held
        from fairlane_core.lock_queue_head(v_user_id, p_pool, p_caller, p_affinity) as h;
      end if;

      if v_task_id is not null then
        return fairlane_core.start_task(v_task_id, p_worker_id, null, p_claim_id, p_now);
      elsif v_user_id is not null and v_has_written then
        v_passed_over := v_passed_over || v_user_id;
        v_held_count := v_held_count + v_is_held::integer;
        v_wait := false;
        v_may_wait := false;
      elsif v_user_id is not null and v_is_locked then
        raise sqlstate 'QU001' using message = 'This user has nothing for the caller now';
      end if;
    exception
      when sqlstate 'QU001' then
        v_passed_over := v_passed_over || v_user_id;
        v_held_count := v_held_count + v_is_held::integer;
      when sqlstate 'QU002' then
        v_unfit_id := sqlerrm::uuid;
      when lock_not_available then
        if v_is_locked then
          raise;
        end if;
        continue when fairlane_core.may_wait_again(v_user_id, v_holder, v_wait_since);
    end;

    -- Ends a few of them, and the look goes on with this user; more than that are left for the next claims.
    if v_unfit_id is not null then
      v_unfit_count := v_unfit_count + 1;
      v_is_held := not fairlane_core.end_unfit_task(v_unfit_id);
      if v_is_held or v_unfit_count >= 5 then
        v_passed_over := v_passed_over || v_user_id;
        v_held_count := v_held_count + v_is_held::integer;
      end if;
      v_unfit_id := null;
      v_wait := false;
      v_may_wait := false;
    end if;

    if not v_is_locked and v_user_id is not null then
      -- Its holder does not let go: look once more over all users.
      v_wait := false;
      v_may_wait := false;
    elsif v_user_id is null then
      exit when v_wait or not v_may_wait;
      v_wait := true;
    end if;
  end loop;

  perform fairlane_core.say_passed_over(v_held_count + fairlane_core.owners_held(p_pool, v_passed_over));
  return v_task;
end;
$$;

-- Locks the user whose turn it is for a worker with a model, and returns the id. With is_required it is, of the next 20
-- in turn, the first who has something that suits (fairlane_core.suits); if none has, the one whose turn it is: no
-- worker stays idle while something is claimable. Null when no user is free.
create function fairlane_core.lock_user_with_affinity(p_pool text, p_passed_over uuid[], p_affinity fairlane_core.affinity)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  -- How many user queues are read. A claim must not become more expensive with each user who has work.
  v_look_at constant integer := 20;
  v_user_id uuid;
begin
  if p_affinity.is_required then
    select s.user_id
    into v_user_id
    from (
      select l as queue, l.user_id, l.turn_load, l.last_served_at
      from fairlane_core.user_queues as l
      where l.pool = p_pool
        and l.is_open
        and l.user_id <> all (p_passed_over)
      order by l.turn_load, l.last_served_at
      limit v_look_at
    ) as n
      join fairlane_core.user_slots as s on s.user_id = n.user_id
    where fairlane_core.suits(n.queue, p_affinity)
    order by n.turn_load, n.last_served_at
    limit 1
    for no key update of s skip locked;
    if v_user_id is not null then
      return v_user_id;
    end if;
  end if;

  return (
    select s.user_id
    from fairlane_core.user_queues as l
      join fairlane_core.user_slots as s on s.user_id = l.user_id
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
    order by l.turn_load, l.last_served_at
    limit 1
    for no key update of s skip locked
  );
end;
$$;

-- Whether a user's queue holds something that a worker with a model would run rather than change its model: called for
-- queue after queue, so it uses single index probes only.
-- True if an open queue has orchestration and a slot for it, a task of the affinity's model or of no model, or a head
-- that has waited too long.
create function fairlane_core.suits(p_queue fairlane_core.user_queues, p_affinity fairlane_core.affinity)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  -- Orchestration loads no model.
  if p_queue.ready_cloud_orchestration > 0 and p_queue.orchestration_room > 0 then
    return true;
  end if;

  return exists (
    select
    from fairlane.tasks as t
    where t.user_id = p_queue.user_id
      and t.pool = p_queue.pool
      and t.run_type = 'cloud'
      and t.model = p_affinity.model
      and t.takes_slot
      and t.readiness = 'ready'
  ) or exists (
    select
    from fairlane.tasks as t
    where t.user_id = p_queue.user_id
      and t.pool = p_queue.pool
      and t.run_type = 'cloud'
      and t.model is null
      and t.takes_slot
      and t.readiness = 'ready'
  ) or (
    select t.created_at < p_affinity.waited_since
    from fairlane.tasks as t
    where t.user_id = p_queue.user_id
      and t.pool = p_queue.pool
      and t.run_type = 'cloud'
      and t.takes_slot
      and t.readiness = 'ready'
    order by t.priority desc, t.created_at, t.id
    limit 1
  ) is true;
end;
$$;

-- Ends a queued task Failed when its params are too large to be handed out: it would block everything behind it for
-- ever. The params are removed, too, and their stored size in bytes replaces them: every list of its owner's tasks
-- would fail on what cannot be written out. Called while no user is locked, because an end locks tasks first; false
-- when somebody else holds what has to be locked.
create function fairlane_core.end_unfit_task(p_task_id uuid)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_timeout text := current_setting('lock_timeout');
  v_reason constant text := 'Its params are too large to be handed out: written out, they have more than 8388608 characters';
begin
  perform set_config('lock_timeout', '200ms', true);
  perform fairlane_core.lock_relatives(p_task_id, 'Failed');
  perform fairlane_core.set_event_context('queue', v_reason);
  update fairlane.tasks as t
  set status = 'Failed',
    error_message = v_reason,
    output_location = v_reason,
    params = jsonb_strip_nulls(jsonb_build_object(
      'params_too_large', pg_column_size(t.params),
      fairlane_core.parent_key(), fairlane_core.parent_task_id(t.params)
    ))
  where t.id = p_task_id
    and t.status = 'Queued'
    and not fairlane_core.fits_a_reply(t.has_bounded_params, t.params);
  perform fairlane_core.set_event_context(null);
  perform set_config('lock_timeout', v_timeout, true);
  return true;
exception
  when lock_not_available or deadlock_detected then
    return false;
end;
$$;
