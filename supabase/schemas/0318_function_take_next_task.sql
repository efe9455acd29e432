-- Looks for work until it has a task or knows that there is none that nobody holds. The first looks pass over users whom
-- somebody else is just serving, then one waits for such a user, once and a moment; the last looks pass over again, and
-- the reply says how many (docs/adr/0019-a-claim-does-not-wait-for-an-open-transaction.md). Each look is a subtransaction:
-- one that does not end in a claim gives its locks back, so that nobody ever waits while holding somebody's slots.
create function queue.take_next_task(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity queue.affinity, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_old_before timestamptz := p_now - (select s.stale_after from queue.settings as s);
  v_passed_over uuid[] := array[]::uuid[];
  v_user_id uuid;
  v_task_id uuid;
  v_wait boolean := false;
  v_has_written boolean;
  v_is_held boolean;
  v_is_locked boolean;
  v_held_count integer := 0;
  v_unfit_id uuid;
  v_unfit_count integer := 0;
  -- A transaction that has written may hold locks that others wait for: then this claim waits for nobody.
  v_may_wait boolean := pg_current_xact_id_if_assigned() is null;
  v_task public.tasks;
  -- Types that have changed, and whose tasks are not all derived again yet: each head is looked at.
  v_is_behind boolean := exists (select from queue.deferred_work as w where w.task_type is not null);
begin
  -- Nothing tells the queue that a task's time has come, so every claim asks; owners' locks are held from here on, if only
  -- because what is due is held by somebody else.
  perform queue.release_due_tasks(p_pool, p_caller);
  v_may_wait := v_may_wait and pg_current_xact_id_if_assigned() is null;

  loop
    begin
      v_task_id := null;
      v_has_written := false;
      v_is_held := false;
      v_is_locked := true;
      if v_wait then
        select w.user_id, w.is_locked
        into v_user_id, v_is_locked
        from queue.wait_for_open_user(p_pool, v_passed_over) as w;
      elsif p_affinity.model is not null then
        v_user_id := queue.lock_user_with_affinity(p_pool, v_passed_over, p_affinity);
      else
        with turn as materialized (
          -- Fewest starts first, then who has waited longest for a turn.
          select
            s.user_id, s.running, s.task_limit, l.ready_cloud > 0 as has_slot_tasks,
            l.ready_cloud_orchestration > 0 and s.orchestrating < s.orchestration_limit as may_orchestrate
          from queue.user_lines as l
            join queue.user_slots as s on s.user_id = l.user_id
          where l.pool = p_pool
            and l.is_open
            and l.user_id <> all (v_passed_over)
          order by l.turn_load, l.turn_at
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
                from public.tasks as t
                where t.user_id = u.user_id
                  and t.pool = p_pool
                  and t.run_type = 'cloud'
                  and t.takes_slot
                  and t.standing = 'ready'
                  and u.has_slot_tasks
                order by t.priority desc, t.created_at, t.id
                limit 1
                for no key update skip locked
              ) as s
              union all
              select o.*
              from (
                select t.id, t.attempts, t.created_at, greatest(t.created_at, t.available_at, t.released_at) as since, t.priority, t.has_bounded_params
                from public.tasks as t
                where t.user_id = u.user_id
                  and t.pool = p_pool
                  and t.run_type = 'cloud'
                  and not t.takes_slot
                  and t.standing = 'ready'
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

      -- The plain case is settled by one statement; everything else is looked at again under the user's lock.
      if v_user_id is not null and v_task_id is null and v_is_locked then
        select h.task_id, h.has_written, h.is_held
        into v_task_id, v_has_written, v_is_held
        from queue.lock_head_of_line(v_user_id, p_pool, p_caller, p_affinity) as h;
      end if;

      if v_task_id is not null then
        return queue.start_task(v_task_id, p_worker_id, null, p_claim_id, p_now);
      elsif v_user_id is not null and v_has_written then
        v_passed_over := v_passed_over || v_user_id;
        v_held_count := v_held_count + v_is_held::integer;
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
    end;

    -- A few of them, and the look goes on with this user; more than that are left for the next claims.
    if v_unfit_id is not null then
      v_unfit_count := v_unfit_count + 1;
      v_is_held := not queue.end_unfit_task(v_unfit_id);
      if v_is_held or v_unfit_count >= 5 then
        v_passed_over := v_passed_over || v_user_id;
        v_held_count := v_held_count + v_is_held::integer;
      end if;
      v_unfit_id := null;
      v_may_wait := false;
    end if;

    if not v_is_locked and v_user_id is not null then
      -- Its holder does not let go: look over all once more.
      v_wait := false;
      v_may_wait := false;
    elsif v_user_id is null then
      exit when v_wait or not v_may_wait;
      v_wait := true;
    end if;
  end loop;

  perform queue.say_passed_over(v_held_count + queue.owners_held(p_pool, v_passed_over));
  return v_task;
end;
$$;

comment on function queue.take_next_task(queue.caller, text, text, text, queue.affinity, timestamptz) is
  'Claims the next cloud task of the pool for this worker and returns it; null when there is none that nobody else holds (queue.say_passed_over).';

revoke all on function queue.take_next_task(queue.caller, text, text, text, queue.affinity, timestamptz) from public, anon, authenticated, service_role;
