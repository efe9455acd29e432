-- What a claim considers besides the user queues: due tasks, which it releases; for users' own machines, the tasks of
-- other pools that their GPUs also run; and orchestration slots that a worker no longer needs.

-- Makes tasks ready whose available_at has come, of users who could run one now (for a token: of its owner): about 100,
-- of up to 100 owners, the most urgent of each, so that neither a user with ten thousand tasks nor an earlier time
-- takes precedence over priority or turn. Owners that are being served are passed over; it waits for nobody. Returns
-- how many.
create function fairlane_core.release_due_tasks(p_pool text, p_caller fairlane_core.caller)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_batch constant integer := 100;
  v_now timestamptz := fairlane_core.now();
  v_owners uuid[];
  v_due uuid[];
begin
  if p_caller.user_id is null then
    v_owners := fairlane_core.owners_to_release(p_pool);
  else
    v_owners := array(
      select s.user_id from fairlane_core.user_slots as s where s.user_id = p_caller.user_id and s.local_reason is null
    );
  end if;
  if cardinality(v_owners) = 0 then
    return 0;
  end if;

  v_owners := array(
    select s.user_id from fairlane_core.user_slots as s where s.user_id = any (v_owners) order by s.user_id for no key update skip locked
  );
  v_due := array(
    select d.id
    from unnest(v_owners) as o (user_id)
      cross join unnest(case when p_caller.user_id is null then array['cloud'] else array['cloud', 'local'] end) as y (run_type)
      cross join lateral (
        select t.id
        from fairlane.tasks as t
        where t.user_id = o.user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.readiness = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit greatest(v_batch / cardinality(v_owners), 1)
        for no key update skip locked
      ) as d
  );
  if v_owners <> '{}' then
    v_due := v_due || array(
      select t.id
      from fairlane.tasks as t
      where t.id = any (array(
          select d.id
          from fairlane_core.own_gpu_due(p_caller, p_pool, 1000) as d
          order by d.priority desc, d.available_at
          limit v_batch
        ))
        and coalesce(t.readiness, '') = 'not_yet' -- spelled so that no index on readiness is used for these few
      for no key update skip locked
    );
  end if;

  if cardinality(v_due) > 0 then
    perform fairlane_core.recompute_readiness(v_due);
  end if;
  return cardinality(v_due);
end;
$$;

-- Whose due tasks a claim of the fleet releases: up to 100 owners of due cloud tasks in the pool who could run one now,
-- in order of their turn. A task whose owner may run none waits for the sweep, and claims do not read it again. However
-- much is due, this remains one short query, or one index probe for each owner with tasks that wait for a time.
create function fairlane_core.owners_to_release(p_pool text)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_few constant integer := 100;
  v_now timestamptz := fairlane_core.now();
  v_due integer;
  v_owners uuid[];
begin
  select count(*), array_agg(distinct d.user_id) filter (where d.pool = p_pool and d.run_type = 'cloud')
  into v_due, v_owners
  from (
    select t.user_id, t.pool, t.run_type
    from fairlane.tasks as t
    where t.readiness = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    limit v_few
  ) as d;

  if v_due < v_few then
    return array(
      select s.user_id from fairlane_core.user_slots as s where s.user_id = any (v_owners) and s.cloud_reason is null
    );
  end if;

  -- Many are due at once. The earliest may all belong to one owner, so read owner by owner, in turn.
  return array(
    select s.user_id
    from fairlane_core.blocked_tasks as b
      join fairlane_core.user_slots as s on s.user_id = b.user_id
      left join fairlane_core.user_queues as l on l.user_id = b.user_id and l.pool = p_pool
    where b.pool = p_pool
      and b.reason = 'not_yet'
      and b.is_cloud
      and b.task_count > 0
      and s.cloud_reason is null
      -- In the order of the one suitable index: without an order the planner may choose another.
      and (
        select true
        from fairlane.tasks as t
        where t.user_id = b.user_id
          and t.pool = p_pool
          and t.run_type = 'cloud'
          and t.readiness = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit 1
      )
    order by s.running + s.orchestrating + s.remembered, l.last_served_at
    limit v_few
  );
end;
$$;

-- Up to p_limit ready tasks of a user queue that are not stale, in queue order, without reading all the stale ones, of
-- which there may be a hundred thousand: among the first p_look_at any fresh one, for whatever reason; behind those
-- only tasks created since fairlane_core.stale_before(), priority by priority, each one index probe.
create function fairlane_core.fresh_in_queue(
  p_user_id uuid, p_pool text, p_run_type text, p_takes_slot boolean, p_look_at integer, p_limit integer
)
returns setof uuid
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- queues come in index order: no statistics may make a sort of all rows look as cheap
set enable_bitmapscan = off -- a bitmap reads everything before the limit applies
as $$
declare
  v_old_before timestamptz := fairlane_core.stale_before();
  v_priority integer := 2147483647;
  v_found uuid[];
begin
  v_found := array(
    select l.id
    from (
      select t.id, t.attempts, t.claimed_at, t.params, greatest(t.created_at, t.available_at, t.released_at) as since
      from fairlane.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = p_run_type
        and t.takes_slot = p_takes_slot
        and t.readiness = 'ready'
      order by t.priority desc, t.created_at, t.id
      limit p_look_at
    ) as l
    where l.attempts > 0
      or l.since >= v_old_before
      or not fairlane_core.is_stale(l.since, l.attempts > 0 or l.claimed_at is not null, l.params)
    limit p_limit
  );

  while cardinality(v_found) < p_limit loop
    select t.priority
    into v_priority
    from fairlane.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.takes_slot = p_takes_slot
      and t.readiness = 'ready'
      and t.priority <= v_priority
    order by t.priority desc, t.created_at, t.id
    limit 1;
    exit when v_priority is null;

    v_found := v_found || array(
      select t.id
      from fairlane.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and t.run_type = p_run_type
        and t.takes_slot = p_takes_slot
        and t.readiness = 'ready'
        and t.priority = v_priority
        and t.created_at >= v_old_before
        and t.id <> all (v_found)
      order by t.created_at, t.id
      limit p_limit - cardinality(v_found)
    );
    exit when v_priority = -2147483648;
    v_priority := v_priority - 1;
  end loop;
  return query select f.id from unnest(v_found) as f (id);
end;
$$;

-- The counterpart of fairlane_core.take_next_task for a user's own machine: one user, so no turns. Claims the next
-- task, cloud or local, of the token's owner and returns it; null when every one is held by somebody else
-- (fairlane_core.say_passed_over) or there is none.
create function fairlane_core.take_own_task(p_caller fairlane_core.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity fairlane_core.affinity, p_now timestamptz)
returns fairlane.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task_id uuid;
  v_is_held boolean := true;
  v_is_locked boolean;
  v_holder text;
  v_wait_since timestamptz;
  v_unfit_id uuid;
  v_unfit_count integer := 0;
  v_task fairlane.tasks;
begin
  -- Checked without a lock first: an idle poll writes nothing, not even a lock. Counting is skipped if one index probe
  -- shows that there is something, or that there can be nothing.
  if exists (select from fairlane_core.user_slots as s where s.user_id = p_caller.user_id and s.local_reason is not null) then
    return v_task;
  elsif not exists (
    select
    from fairlane_core.own_gpu_queue(p_caller, p_pool, 1) as t
    where not fairlane_core.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
      and not fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness)
  ) and fairlane_core.claimable_count(p_caller, p_pool) = 0 then
    return v_task;
  end if;

  perform fairlane_core.release_due_tasks(p_pool, p_caller);

  loop
    begin
      v_holder := fairlane_core.holder_of_slots(p_caller.user_id);
      v_wait_since := coalesce(v_wait_since, clock_timestamp());
      v_is_locked := false;
      v_is_locked := fairlane_core.wait_for_owner(p_caller.user_id);
      if v_is_locked then
        select h.task_id, h.is_held
        into v_task_id, v_is_held
        from fairlane_core.lock_queue_head(p_caller.user_id, p_pool, p_caller, p_affinity) as h;
      end if;
      exit;
    exception
      when sqlstate 'QU002' then
        v_unfit_id := sqlerrm::uuid;
      when lock_not_available then
        if v_is_locked then
          raise;
        end if;
        exit when not fairlane_core.may_wait_again(p_caller.user_id, v_holder, v_wait_since);
        continue;
    end;

    -- A few heads that cannot be handed out are ended on the way, each after releasing the user's lock.
    v_unfit_count := v_unfit_count + 1;
    exit when not fairlane_core.end_unfit_task(v_unfit_id) or v_unfit_count >= 5;
    v_wait_since := null;
  end loop;

  if v_task_id is not null then
    v_task := fairlane_core.start_task(v_task_id, p_worker_id, p_caller.token_id, p_claim_id, p_now);
  else
    perform fairlane_core.say_passed_over(v_is_held::integer);
  end if;
  return v_task;
end;
$$;

-- What a claim or count for gpu covers besides the pool itself (fairlane_core.is_served_by): the owner's ready tasks of
-- types that GPU machines also run. Each queue comes from its own partial index, in claim order.
-- Ready tasks of other pools that this caller's claims or counts for gpu cover, per pool and run type the first
-- p_limit; from paused pools only with p_is_paused. None for any other pool or caller.
create function fairlane_core.own_gpu_queue(p_caller fairlane_core.caller, p_pool text, p_limit integer, p_is_paused boolean default false)
returns setof fairlane.tasks
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- no statistics may make a sort look as cheap as the index order
as $$
begin
  if p_pool = 'gpu' and p_caller.user_id is not null then
    return query
    select h.*
    from unnest(fairlane_core.pools()) as p (pool)
      cross join unnest(case p_caller.kind when 'token' then array['cloud', 'local'] else array['local'] end) as y (run_type)
      cross join lateral (
        select t.*
        from fairlane.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.readiness = 'ready'
          and t.run_type = y.run_type
          and t.runs_on_own_gpu
        order by t.priority desc, t.created_at, t.id
        limit p_limit
      ) as h
    where p.pool <> 'gpu'
      and (p.pool = any ((select s.paused_pools from fairlane_core.settings as s)::text[])) = p_is_paused;
  end if;
end;
$$;

-- Up to p_limit tasks like those of fairlane_core.own_gpu_queue whose available_at has come but whose readiness has not
-- been updated, the longest due first.
create function fairlane_core.own_gpu_due(p_caller fairlane_core.caller, p_pool text, p_limit integer)
returns setof fairlane.tasks
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- no statistics may make a sort of all that waits look as cheap as the index order
set enable_incremental_sort = off
as $$
begin
  if p_pool = 'gpu' and p_caller.user_id is not null then
    return query
    select t.*
    from fairlane.tasks as t
    where t.user_id = p_caller.user_id
      and t.readiness = 'not_yet'
      and t.runs_on_own_gpu
      and t.available_at <= fairlane_core.now()
      and (p_caller.kind = 'token' or t.run_type = 'local')
    -- By id as well: only the index of the owner's tasks has this order, not the index of all due tasks.
    order by t.available_at, t.id
    limit p_limit;
  end if;
end;
$$;

-- A worker that runs one task at a time and claims again no longer orchestrates, whatever it has said: its
-- orchestration slots are free, except for the task whose claim reply was lost (fairlane_core.stalled_orchestration).
-- Waits for nobody: a locked task is left for the next claim.
-- Frees the slots of the orchestration tasks that this worker still holds in this pool, except p_but.
create function fairlane_core.leave_orchestration(p_worker_id text, p_token_id uuid, p_pool text, p_but uuid default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task_id uuid;
  v_task fairlane.tasks;
begin
  for v_task_id in
    -- Sorted separately: claims disable sorts, and an index in this order would be a bad way to find what a worker
    -- holds.
    with held as materialized (
      select t.id, t.user_id
      from fairlane.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'In Progress'
        and t.token_id is not distinct from p_token_id
        and t.pool = p_pool
        and not t.takes_slot
        and t.id is distinct from p_but
        and not fairlane_core.is_handed_over(t.id, t.lease_token)
    )
    select h.id from held as h order by h.user_id, h.id
  loop
    -- The task before its owner, as everywhere.
    select t.* into v_task from fairlane.tasks as t where t.id = v_task_id for no key update skip locked;
    continue when v_task.id is null;
    perform from fairlane_core.user_slots as s where s.user_id = v_task.user_id for no key update skip locked;
    continue when not found;
    if v_task.readiness = 'active' and v_task.worker_id = p_worker_id and v_task.token_id is not distinct from p_token_id
      and not v_task.takes_slot and not fairlane_core.is_handed_over(v_task.id, v_task.lease_token) then
      perform fairlane_core.hand_over(v_task);
    end if;
  end loop;
end;
$$;
