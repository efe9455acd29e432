-- Users' own machines: their claims, and the tasks of other pools that their GPU machines run as well.

-- What queue.take_next_task is for the fleet, for a user's own machine: one user, so no turns. Claims the next task,
-- cloud or local, of the token's owner and returns it; null when there is none that nobody else holds
-- (queue.say_passed_over).
create function queue.take_own_task(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity queue.affinity, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task_id uuid;
  v_is_held boolean := true;
  v_unfit_id uuid;
  v_task public.tasks;
begin
  -- Looked at without a lock first: an idle poll writes nothing, not even a lock. Counting is left out where one step into
  -- an index says that there is something, or that there can be nothing.
  if exists (select from queue.user_slots as s where s.user_id = p_caller.user_id and s.local_reason is not null) then
    return v_task;
  elsif not exists (
    select
    from queue.own_gpu_line(p_caller, p_pool, 1) as t
    where not queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
      and not queue.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.standing)
  ) and queue.claimable_count(p_caller, p_pool) = 0 then
    return v_task;
  end if;

  perform queue.release_due_tasks(p_pool, p_caller);

  -- A few heads that cannot be handed out are ended on the way, each after the user's lock was given back.
  for v_look in 1..5 loop
    begin
      if queue.wait_for_owner(p_caller.user_id) then
        select h.task_id, h.is_held
        into v_task_id, v_is_held
        from queue.lock_head_of_line(p_caller.user_id, p_pool, p_caller, p_affinity) as h;
      end if;
      exit;
    exception when sqlstate 'QU002' then
      v_unfit_id := sqlerrm::uuid;
    end;
    exit when not queue.end_unfit_task(v_unfit_id);
  end loop;

  if v_task_id is not null then
    v_task := queue.start_task(v_task_id, p_worker_id, p_caller.token_id, p_claim_id, p_now);
  else
    perform queue.say_passed_over(v_is_held::integer);
  end if;
  return v_task;
end;
$$;

-- What counts by this caller for gpu have beside the counters of that pool, which are of its own tasks, those that the
-- fleet runs: ready and active tasks of other pools (queue.is_served_by), counted as they are, up to 1000 of each pool
-- and run type; and by how much time or a change of type has overtaken what is stored. queue.own_gpu_waiting has the
-- rest.
create function queue.own_gpu_load(p_caller queue.caller, p_pool text)
returns setof queue.load_change
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- as in queue.own_gpu_line
as $$
declare
  v_most constant integer := 1000;
  v_old_before timestamptz;
  v_is_behind boolean;
  v_paused text[];
begin
  -- Most users have none.
  if p_pool is distinct from 'gpu' or p_caller.user_id is null or (
    select true
    from public.tasks as t
    where t.user_id = p_caller.user_id
      and t.runs_on_own_gpu
      and t.standing is not null
    order by t.pool, t.standing
    limit 1
  ) is null then
    return;
  end if;
  v_old_before := queue.stale_before();
  v_is_behind := exists (select from queue.deferred_work as w where w.task_type is not null);
  v_paused := (select s.paused_pools from queue.settings as s);

  return query
  with found as (
    select
      t.run_type,
      case
        when v_is_behind and queue.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.standing) then
          case when (select not y.is_active from public.task_types as y where y.name = t.task_type) then 'type_inactive' end
        when l.is_paused then 'pool_paused'
        when t.attempts = 0 and greatest(t.created_at, t.available_at, t.released_at) < v_old_before
          and queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.claimed_at is not null, t.params)
          then 'stale'
        else 'ready'
      end as standing,
      1 as delta
    from unnest(array[false, true]) as l (is_paused)
      cross join lateral queue.own_gpu_line(p_caller, p_pool, v_most, l.is_paused) as t
    union all
    select d.run_type, c.standing, c.delta
    from queue.own_gpu_due(p_caller, p_pool, v_most) as d
      cross join lateral queue.task_standing(d) as s (standing)
      cross join lateral (
        values
          ('not_yet', -1),
          (case when s.standing in ('ready', 'stale') and d.pool = any (v_paused) then 'pool_paused' else s.standing end, 1)
      ) as c (standing, delta)
    union all
    select r.run_type, 'active', 1
    from unnest(queue.pools()) as p (pool)
      cross join lateral (
        select t.run_type
        from public.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.standing = 'active'
          and t.runs_on_own_gpu
          and (p_caller.kind = 'token' or t.run_type = 'local')
        order by t.run_type
        limit v_most
      ) as r
  )
  select p_caller.user_id, p_pool, f.run_type is distinct from 'local', true, f.standing, sum(f.delta)::integer
  from found as f
  where f.standing is not null
  group by 3, 5;
end;
$$;

-- Queued tasks of other pools that counts by this caller for gpu have beside that pool (queue.is_served_by), by the
-- reason of their own that is stored, up to 1000 of each pool and reason.
create function queue.own_gpu_waiting(p_caller queue.caller, p_pool text)
returns setof queue.load_change
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- as in queue.own_gpu_line
as $$
declare
  v_most constant integer := 1000;
  v_paused text[] := (select s.paused_pools from queue.settings as s);
begin
  if p_pool is distinct from 'gpu' or p_caller.user_id is null then
    return;
  end if;

  return query
  select p_caller.user_id, p_pool, w.is_cloud, true, w.standing, sum(w.task_count)::integer
  from unnest(queue.pools()) as p (pool)
    cross join unnest(array[
      'no_run_type', 'type_inactive', 'not_yet', 'dependency_pending', 'dependency_lost', 'stale'
    ]) as s (standing)
    cross join lateral (
      select
        r.is_cloud, case when s.standing = 'stale' and p.pool = any (v_paused) then 'pool_paused' else s.standing end as standing,
        count(*) as task_count
      from (
        select t.run_type is distinct from 'local' as is_cloud
        from public.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.standing = s.standing
          and t.runs_on_own_gpu
          and (p_caller.kind = 'token' or t.run_type = 'local')
        order by t.run_type
        limit v_most
      ) as r
      group by 1
    ) as w
  group by 3, 5;
end;
$$;

-- What a claim or count for gpu comes to beside the pool itself (queue.is_served_by): the owner's ready tasks of types that
-- GPU machines run, too. Each line comes from the index that holds nothing else, in the order of claims.
-- Ready tasks of other pools that this caller's claims or counts for gpu are about, per pool and run type the first
-- p_limit of the line; of pools that are paused with p_is_paused. None for any other pool or caller.
create function queue.own_gpu_line(p_caller queue.caller, p_pool text, p_limit integer, p_is_paused boolean default false)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- under no statistics may it be as good to sort a line as to take it from the index in order
as $$
begin
  if p_pool = 'gpu' and p_caller.user_id is not null then
    return query
    select h.*
    from unnest(queue.pools()) as p (pool)
      cross join unnest(case p_caller.kind when 'token' then array['cloud', 'local'] else array['local'] end) as y (run_type)
      cross join lateral (
        select t.*
        from public.tasks as t
        where t.user_id = p_caller.user_id
          and t.pool = p.pool
          and t.standing = 'ready'
          and t.run_type = y.run_type
          and t.runs_on_own_gpu
        order by t.priority desc, t.created_at, t.id
        limit p_limit
      ) as h
    where p.pool <> 'gpu'
      and (p.pool = any ((select s.paused_pools from queue.settings as s)::text[])) = p_is_paused;
  end if;
end;
$$;

-- Up to p_limit tasks like those of queue.own_gpu_line whose available_at has come and whose standing does not say so
-- yet, the longest due first.
create function queue.own_gpu_due(p_caller queue.caller, p_pool text, p_limit integer)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
set enable_sort = off -- under no statistics may it be as good to sort all that waits as to take it from the index in order
as $$
begin
  if p_pool = 'gpu' and p_caller.user_id is not null then
    return query
    select t.*
    from public.tasks as t
    where t.user_id = p_caller.user_id
      and t.standing = 'not_yet'
      and t.runs_on_own_gpu
      and t.available_at <= queue.now()
      and (p_caller.kind = 'token' or t.run_type = 'local')
    order by t.available_at
    limit p_limit;
  end if;
end;
$$;
