-- Which tasks claims would hand out next.

-- What a claim by this caller in this pool would find, without taking it or locking anything:
-- {"dry_run":true,"available_tasks":n,"task":{…}|null}.
create function fairlane_core.preview_claim(p_caller fairlane_core.caller, p_pool text)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_load fairlane_core.load_summary := fairlane_core.load_summary(p_caller, p_pool);
  v_turns fairlane_core.user_load_row[] := array(select u from fairlane_core.users_in_turn(p_caller, p_pool, v_load, 5) as u);
  v_task fairlane.tasks;
begin
  -- By key: as a join, a plan from when the queue was small would scan all tasks.
  select t.*
  into v_task
  from fairlane.tasks as t
  where t.id = (
    -- The first that can be handed out; a claim would end the others on its way.
    select n.task_id
    from fairlane_core.next_tasks(p_caller, p_pool, 5, v_turns) with ordinality as n (task_id, task_type, user_id, created_at, since, place)
    where (
      select fairlane_core.fits_a_reply(k.has_bounded_params, k.params)
      from fairlane.tasks as k
      where k.id = n.task_id
    )
    order by n.place
    limit 1
  );

  v_task.params := fairlane_core.without_secrets(v_task.params);
  return json_build_object(
    'dry_run', true,
    'available_tasks', v_load.claimable,
    'task', case when v_task.id is not null then fairlane_core.claim_reply(v_task)::jsonb - 'lease_token' end
  );
end;
$$;

-- Up to p_limit tasks that this caller's claims would hand out next, in order of turn: filtered before the limit
-- applies. p_turns are the first users in turn, at least p_limit of them if there are so many.
create function fairlane_core.next_tasks(p_caller fairlane_core.caller, p_pool text, p_limit integer, p_turns fairlane_core.user_load_row[])
returns table (task_id uuid, task_type text, user_id uuid, created_at timestamptz, since timestamptz)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_now timestamptz := fairlane_core.now();
  v_old_before timestamptz := fairlane_core.stale_before();
  v_pools text[] := array(
    select p.pool
    from unnest(case when p_pool is null then fairlane_core.pools() else array[p_pool] end) as p (pool)
    where p.pool <> all ((select s.paused_pools from fairlane_core.settings as s)::text[])
  );
  v_is_behind boolean := exists (select from fairlane_core.deferred_work as w where w.task_type is not null);
  v_look constant integer := 1000;
  -- Whether too many stale tasks exist to skip them one by one.
  v_many_stale boolean := exists (
    select
    from fairlane.tasks as t
    where t.readiness = 'ready'
      and t.attempts = 0
      and t.claimed_at is null
      and greatest(t.created_at, t.available_at, t.released_at) < v_old_before
    order by greatest(t.created_at, t.available_at, t.released_at)
    offset 1000
  );
  -- Some of each listed queue, of which there may be a hundred.
  v_look_past integer := v_look / greatest(cardinality(p_turns), 1);
  -- In the order of its index, so that no statistics suggest another plan.
  v_has_due boolean := (
    select true from fairlane.tasks as t where t.readiness = 'not_yet' and t.available_at <= v_now order by t.available_at limit 1
  );
  v_run_types text[] := case
    when p_caller.user_id is null then array['cloud']
    else array(
      select r.run_type
      from fairlane_core.user_slots as s
        cross join unnest(array['cloud', 'local']) as r (run_type)
      where s.user_id = p_caller.user_id
        and fairlane_core.reason_of(s, p_caller, r.run_type = 'cloud') is null
    )
  end;
begin
  return query
  with turn as (
    select
      t.user_id, t.claimable, t.last_served_at, t.task_limit - t.running as slots_free,
      s.orchestration_limit - s.orchestrating as places_free,
      s.running + s.orchestrating + s.remembered as turn_load
    from unnest(p_turns) as t
      join fairlane_core.user_slots as s on s.user_id = t.user_id
  ),
  round as (
    -- A user who is served gets one more attempt, and the turn passes to users with fewer: this many of each come
    -- first.
    select r.user_id, r.turn_load, r.last_served_at, r.slots_free, r.places_free, count(*) as task_count
    from (
      select u.user_id, u.turn_load, u.last_served_at, u.slots_free, u.places_free
      from (
        select
          t.*,
          least(t.claimable, case when count(*) over () < p_limit then p_limit else max(t.turn_load) over () - t.turn_load + 1 end) as most
        from turn as t
      ) as u
        cross join lateral generate_series(1, u.most) as k
      order by u.turn_load + k, k, u.last_served_at
      limit p_limit
    ) as r
    group by r.user_id, r.turn_load, r.last_served_at, r.slots_free, r.places_free
  )
  select t.id, t.task_type, t.user_id, t.created_at, t.since
  from (
    select f.*, row_number() over (partition by f.user_id order by f.priority desc, f.created_at, f.id) as k
    from (
      -- Of each kind as many as there is room for; the queue goes on behind the rest.
      select c.*, row_number() over (partition by c.user_id, c.takes_slot order by c.priority desc, c.created_at, c.id) as of_kind
      from (
        -- One pool, run type and kind at a time: each comes from the index in queue order.
        select r.id, r.task_type, r.created_at, r.since, r.priority, r.takes_slot, u.user_id, u.turn_load, u.last_served_at, u.task_count,
          u.slots_free, u.places_free
        from round as u
          cross join unnest(v_pools) as p (pool)
          -- By key, whatever the planner estimates: the limit enforces it.
          cross join lateral (
            select n.* from fairlane_core.user_queues as n where n.user_id = u.user_id and n.pool = p.pool limit 1
          ) as l
          cross join unnest(v_run_types) as y (run_type)
          cross join unnest(array[true, false]) as kind (takes_slot)
          cross join lateral (
            select q.id, q.task_type, q.created_at, greatest(q.created_at, q.available_at, q.released_at) as since, q.priority, q.takes_slot
            from fairlane.tasks as q
            where not v_many_stale
              and q.user_id = u.user_id
              and q.pool = l.pool
              and q.run_type = y.run_type
              and q.takes_slot = kind.takes_slot
              and q.readiness = 'ready'
              and (not v_is_behind or not fairlane_core.is_behind_its_type(q.task_type, q.pool, q.takes_slot, q.runs_on_own_gpu, q.readiness))
              -- Checked only where the answer could be yes.
              and (q.attempts > 0 or greatest(q.created_at, q.available_at, q.released_at) >= v_old_before or not fairlane_core.is_stale(greatest(q.created_at, q.available_at, q.released_at), q.attempts > 0 or q.claimed_at is not null, q.params))
            order by q.priority desc, q.created_at, q.id
            limit u.task_count
          ) as r
        -- Skipped where there is nothing.
        where case
          when y.run_type = 'cloud' then case when kind.takes_slot then l.ready_cloud else l.ready_cloud_orchestration end
          else case when kind.takes_slot then l.ready_local else l.ready_local_orchestration end
        end > 0
        union all
        -- Tasks of other pools, as machines of their owner claim them; not behind or stale, as above.
        select
          o.id, o.task_type, o.created_at, greatest(o.created_at, o.available_at, o.released_at), o.priority, o.takes_slot, u.user_id,
          u.turn_load, u.last_served_at, u.task_count, u.slots_free, u.places_free
        from round as u
          cross join lateral fairlane_core.own_gpu_queue(p_caller, p_pool, v_look) as o
        where p_caller.user_id is not null
          and o.run_type = any (v_run_types)
          and (not v_is_behind or not fairlane_core.is_behind_its_type(o.task_type, o.pool, o.takes_slot, o.runs_on_own_gpu, o.readiness))
          and (o.attempts > 0 or greatest(o.created_at, o.available_at, o.released_at) >= v_old_before or not fairlane_core.is_stale(greatest(o.created_at, o.available_at, o.released_at), o.attempts > 0 or o.claimed_at is not null, o.params))
        union all
        -- Many have grown stale: those are not scanned.
        select q.id, q.task_type, q.created_at, greatest(q.created_at, q.available_at, q.released_at), q.priority, q.takes_slot, u.user_id,
          u.turn_load, u.last_served_at, u.task_count, u.slots_free, u.places_free
        from round as u
          cross join unnest(v_pools) as l (pool)
          cross join unnest(v_run_types) as y (run_type)
          cross join unnest(array[true, false]) as kind (takes_slot)
          cross join lateral fairlane_core.fresh_in_queue(
            u.user_id, l.pool, y.run_type, kind.takes_slot, u.task_count::integer + v_look_past, u.task_count::integer
          ) as f (id)
          -- One by one: as a join, a plan from when the queue was small would scan all tasks.
          cross join lateral (select k.* from fairlane.tasks as k where k.id = f.id limit 1) as q
        where v_many_stale
          and (not v_is_behind or not fairlane_core.is_behind_its_type(q.task_type, q.pool, q.takes_slot, q.runs_on_own_gpu, q.readiness))
        union all
        -- Due, but not yet released by a claim.
        select
          (d.task).id, (d.task).task_type, (d.task).created_at,
          greatest((d.task).created_at, (d.task).available_at, (d.task).released_at), (d.task).priority, (d.task).takes_slot, u.user_id, u.turn_load,
          u.last_served_at, u.task_count, u.slots_free, u.places_free
        from round as u
          cross join unnest(v_pools) as l (pool)
          cross join unnest(v_run_types) as y (run_type)
          cross join lateral (
            select q as task
            from fairlane.tasks as q
            where q.user_id = u.user_id
              and q.pool = l.pool
              and q.run_type = y.run_type
              and q.readiness = 'not_yet'
              and q.available_at <= v_now
            order by q.priority desc, q.available_at
            limit u.task_count + 100 -- some may have another reason to wait
          ) as d
        where v_has_due
          and fairlane_core.task_readiness(d.task) = 'ready'
        union all
        select
          o.id, o.task_type, o.created_at, greatest(o.created_at, o.available_at, o.released_at), o.priority, o.takes_slot, u.user_id,
          u.turn_load, u.last_served_at, u.task_count, u.slots_free, u.places_free
        from round as u
          cross join lateral fairlane_core.own_gpu_due(p_caller, p_pool, v_look) as o
        where v_has_due
          and p_caller.user_id is not null
          and o.run_type = any (v_run_types)
          and o.pool <> all ((select s.paused_pools from fairlane_core.settings as s)::text[])
          and fairlane_core.task_readiness(o) = 'ready'
      ) as c
    ) as f
    where f.of_kind <= case when f.takes_slot then f.slots_free else f.places_free end
  ) as t
  where t.k <= t.task_count
  order by t.turn_load + t.k, t.k, t.last_served_at;
end;
$$;

-- Since when the oldest claimable task waits. The list of next tasks contains the oldest of each user; if it was cut,
-- older ones may be behind it: those are searched among the oldest that were never started.
create function fairlane_core.oldest_claimable(p_caller fairlane_core.caller, p_pool text, p_listed timestamptz, p_was_cut boolean)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_look_at constant integer := 200;
  v_old_before timestamptz;
begin
  if not p_was_cut then
    return p_listed;
  end if;

  v_old_before := fairlane_core.stale_before();
  return least(p_listed, (
    select o.since
    from (
      select t.user_id, t.pool, t.run_type, t.takes_slot, t.runs_on_own_gpu, greatest(t.created_at, t.available_at, t.released_at) as since, t.params
      from fairlane.tasks as t
      where t.readiness = 'ready'
        and t.attempts = 0
        and t.claimed_at is null
        and greatest(t.created_at, t.available_at, t.released_at) < p_listed
      order by greatest(t.created_at, t.available_at, t.released_at)
      limit v_look_at
    ) as o
    where (
        p_pool is null or o.pool = p_pool
        or (o.runs_on_own_gpu and fairlane_core.is_served_by(p_caller, p_pool, o.pool, o.runs_on_own_gpu, o.run_type))
      )
      and o.pool <> all ((select s.paused_pools from fairlane_core.settings as s)::text[])
      and case
        when p_caller.user_id is not null then o.user_id = p_caller.user_id and exists (
          select
          from fairlane_core.user_slots as s
          where s.user_id = o.user_id
            and fairlane_core.reason_of(s, p_caller, o.run_type = 'cloud') is null
        )
        else o.run_type = 'cloud'
          and (select l.is_open and (o.takes_slot or l.orchestration_room > 0) from fairlane_core.user_queues as l where l.user_id = o.user_id and l.pool = o.pool)
      end
      -- Checked only where the answer could be yes.
      and (o.since >= v_old_before or not fairlane_core.is_stale(o.since, false, o.params))
    order by o.since
    limit 1
  ));
end;
$$;
