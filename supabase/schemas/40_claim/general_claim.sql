-- A claim in all its cases, step by step, each looked at under its lock: whose turn (whose_turn.sql), which of that
-- owner's tasks (which_task.sql), the start (start.sql).

-- Every claim that is not plain (queue.claim_next_task): with a token, a claim_id that was sent before, a model, work
-- already held, tasks that have just become due, users whom others are serving. One step at a time, each looked at
-- under its lock.
create function queue.claim_with_care(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text,
  p_claim_id text,
  p_same_model_only boolean,
  p_max_task_wait_minutes numeric,
  p_dry_run boolean
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token']);
  v_pool text := coalesce(p_run_type, 'gpu');
  v_holder text;
  v_now timestamptz := queue.now();
  v_affinity queue.affinity;
  v_task public.tasks;
  v_has_worked boolean := false;
begin
  if coalesce(p_worker_id, '') = '' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A claim names its worker, worker_id is empty', 'Send a worker_id');
  elsif length(p_worker_id) > 255 or length(p_claim_id) > 255 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The worker_id and the claim_id must have at most 255 characters');
  end if;
  perform queue.refuse_unknown_pool(v_pool);

  v_holder := queue.holder_name(v_caller, p_worker_id);

  -- The workers table is the fleet's: API workers are not in it, and a user's machine may choose any id.
  if v_caller.kind = 'service' and exists (select from public.workers as w where w.id = p_worker_id) then
    v_affinity := queue.affinity_of(p_worker_id, p_same_model_only, p_max_task_wait_minutes);
  end if;

  if p_dry_run then
    return queue.preview_claim(v_caller, v_pool);
  end if;

  begin
    if p_claim_id is not null then
      v_task := queue.repeat_claim(v_caller, v_holder, v_pool, p_claim_id, v_now);
      if v_task.id is not null then
        return queue.claim_reply(v_task);
      end if;
    end if;
    v_task := queue.give_back_held_task(v_caller, v_holder, v_pool, p_claim_id, v_now);
  exception when lock_not_available then
    -- What the worker holds is being changed: neither that task nor another one is to be had before it is known how.
    perform queue.say_passed_over(1);
    return null;
  end;
  -- What a worker holds it gets back, but a pool that is paused gives out nothing new.
  while v_task.id is null and not exists (select from queue.settings as s where v_pool = any (s.paused_pools)) loop
    if v_caller.kind = 'token' then
      v_task := queue.take_own_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    else
      v_task := queue.take_next_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    end if;
    -- Once more if this claim has done work that the queue was behind with: there may be a task now.
    exit when v_task.id is null and (v_has_worked or queue.work_while_idle() = 0);
    v_has_worked := true;
  end loop;

  -- A worker that said goodbye or crashed and claims has come back; else the next rescue would take what it gets here.
  -- Its row is not waited for: a beat that holds it says the same.
  if v_caller.kind = 'service' and exists (
    select from public.workers as w where w.id = p_worker_id and (w.goodbye_at is not null or w.status = 'crashed')
  ) then
    update public.workers as w
    set status = 'active', metadata = queue.metadata_after_return(w)
    from (
      select x.id
      from public.workers as x
      where x.id = p_worker_id
        and (x.goodbye_at is not null or x.status = 'crashed')
      for no key update skip locked
    ) as held
    where w.id = held.id;
  end if;

  return case when v_task.id is not null then queue.claim_reply(v_task) end;
end;
$$;

-- Looks for work until it has a task or knows that there is none that nobody holds. The first looks pass over users whom
-- somebody else is just serving, then one waits for such a user, once and a moment; the last looks pass over again, and
-- the reply says how many (docs/adr/0019-a-claim-does-not-wait-for-an-open-transaction.md). Each look is a subtransaction:
-- one that does not end in a claim gives its locks back, so that nobody ever waits while holding somebody's slots.
-- Claims the next cloud task of the pool for this worker and returns it; null when there is none that nobody else holds
-- (queue.say_passed_over).
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
