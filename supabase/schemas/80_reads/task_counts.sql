-- How many machines are needed: the counts for an autoscaler, from one snapshot, and what waits for which reason. The
-- sums are in load.sql, corrections for outdated counters in overtaken_counters.sql, the next tasks in next_tasks.sql.

-- What an autoscaler decides by, from one snapshot (the function is stable: all its queries see the same state).
-- See fairlane.task_counts.
create function fairlane_core.task_counts(
  p_caller jsonb, p_run_type text, p_include_active boolean, p_unused text[] default null, p_include_lists boolean default true
)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set enable_sort = off -- queues come in index order: no statistics may make a sort of all rows look as cheap
as $$
declare
  -- The lists are two thirds of what an answer costs.
  v_list_limit constant integer := case when p_include_lists is false then 0 else 100 end;
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_now timestamptz := fairlane_core.now();
  v_load fairlane_core.load_summary;
  v_turns fairlane_core.user_load_row[];
  v_listed integer;
  v_next json;
  v_running json;
  v_recent json;
  v_oldest timestamptz;
  v_per_worker integer;
  v_total integer;
  v_blocked json;
  v_by_capacity integer;
  v_arrivals numeric;
  v_completions numeric;
begin
  perform fairlane_core.refuse_unknown_pool(p_run_type);

  v_load := fairlane_core.load_summary(v_caller, p_run_type);
  v_turns := array(select u from fairlane_core.users_in_turn(v_caller, p_run_type, v_load, v_list_limit) as u);

  select
    coalesce(json_agg(json_build_object('task_id', t.task_id, 'task_type', t.task_type, 'user_id', t.user_id, 'created_at', t.created_at)), '[]'),
    count(*),
    min(t.since)
  into v_next, v_listed, v_oldest
  from fairlane_core.next_tasks(v_caller, p_run_type, v_list_limit, v_turns) as t;
  -- Without a list, the oldest of those that were never started has to do.
  v_oldest := fairlane_core.oldest_claimable(
    v_caller, p_run_type, case when v_list_limit = 0 then v_now else v_oldest end, v_listed < v_load.claimable
  );
  if v_list_limit = 0 then
    v_oldest := nullif(v_oldest, v_now);
  end if;

  with running as materialized (
    select
      r.id as task_id, r.task_type, r.worker_id, r.token_id,
      coalesce(r.generation_started_at, r.claimed_at, r.updated_at, r.created_at) as started_at
    from fairlane.tasks as r
    where r.status = 'In Progress'
      and (
        p_run_type is null or r.pool = p_run_type
        or (r.runs_on_own_gpu and fairlane_core.is_served_by(v_caller, p_run_type, r.pool, r.runs_on_own_gpu, r.run_type))
      )
      and (v_caller.user_id is null or r.user_id = v_caller.user_id)
    order by r.worker_id
    limit v_list_limit
  )
  select
    -- Deployed clients slice these texts: none may be null.
    (select json_strip_nulls(json_agg(a)) from (
      select
        r.task_id, r.task_type, r.started_at,
        case v_caller.kind when 'service' then r.worker_id else fairlane_core.sent_name(r.worker_id) end as worker_id
      from running as r
    ) as a),
    (select json_agg(a) from (select r.task_id, 'In Progress' as status, r.token_id is null as is_cloud from running as r) as a)
  into v_running, v_recent;

  select case when p_run_type = 'gpu' then s.gpu_tasks_per_worker when p_run_type is not null then s.api_tasks_per_worker end
  into v_per_worker
  from fairlane_core.settings as s;

  -- The fleet's rates over the last five samples; those of single users are not kept.
  select round(avg(m.arrivals), 1), round(avg(m.completions), 1)
  into v_arrivals, v_completions
  from (
    select sum(s.arrivals) as arrivals, sum(s.completions) as completions
    from fairlane_core.minute_samples as s
    where v_caller.user_id is null
      and s.sampled_at > v_now - interval '10 minutes'
      and (p_run_type is null or s.pool = p_run_type)
    group by s.sampled_at
    order by s.sampled_at desc
    limit 5
  ) as m;

  -- What waits for the owner's own running tasks; the other sums are what waits for other tasks, and for a decision.
  v_blocked := fairlane_core.blocked_by_reason(v_caller, p_run_type, v_load);
  v_by_capacity := coalesce((v_blocked ->> 'user_at_limit')::integer, 0);

  v_total := v_load.claimable + case when coalesce(p_include_active, true) then v_load.active else 0 end;

  return json_build_object(
    'run_type', p_run_type,
    'totals', json_build_object(
      'queued_only', v_load.claimable,
      'eligible_queued', v_load.claimable,
      'active_only', v_load.active,
      'queued_plus_active', v_total,
      'potentially_claimable', v_load.claimable + v_by_capacity,
      'blocked_by_capacity', v_by_capacity,
      'blocked_by_deps', fairlane_core.blocked_sum(v_blocked, array['dependency_pending', 'dependency_lost']),
      'blocked_by_settings', fairlane_core.blocked_sum(
        v_blocked, array['no_credits', 'cloud_disabled', 'local_disabled', 'type_inactive', 'pool_paused']
      )
    ),
    'count', v_total,
    'available_tasks', v_total,
    'queued_plus_active', v_total,
    'global_task_breakdown', json_build_object(
      'in_progress_total', v_load.active + v_load.active_orchestration + v_load.active_elsewhere,
      'in_progress_cloud', v_load.active + v_load.active_orchestration,
      'in_progress_local', v_load.active_elsewhere,
      'orchestrator_tasks', v_load.active_orchestration
    ),
    'blocked', v_blocked,
    'oldest_claimable_age_seconds', extract(epoch from v_now - v_oldest),
    'users', fairlane_core.listed_users(v_caller, p_run_type, v_load, v_turns, v_list_limit),
    'users_total', v_load.users,
    'recent_tasks', coalesce(v_recent, '[]'),
    'queued_tasks', v_next,
    'active_tasks', coalesce(v_running, '[]'),
    'arrivals_per_minute', v_arrivals,
    'completions_per_minute', v_completions,
    'warnings', case when v_caller.user_id is null then fairlane_core.count_warnings(p_run_type, v_load, v_oldest)::jsonb else '[]' end
      || case
        when cardinality(p_unused) > 0 then jsonb_build_array(jsonb_build_object(
          'code', 'ROUTING_IGNORED',
          'message', pg_catalog.format(
            'The numbers are those of the whole pool, and there are no route_totals: this queue does not route by %s',
            array_to_string(p_unused, ', ')
          )
        ))
        else '[]'
      end,
    -- Machines that could be busy at once.
    'suggested_workers', ceil((v_load.claimable + v_load.active + fairlane_core.busy_beside(v_caller, p_run_type, v_load))::numeric / v_per_worker),
    'snapshot_at', v_now
  );
end;
$$;

-- Up to p_limit users of whom this caller could claim something now, in the order of their turns.
create function fairlane_core.users_in_turn(p_caller fairlane_core.caller, p_pool text, p_load fairlane_core.load_summary, p_limit integer)
returns setof fairlane_core.user_load_row
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_pools text[] := array(
    select p.pool
    from unnest(case when p_pool is null then fairlane_core.pools() else array[p_pool] end) as p (pool)
    where p.pool <> all ((select s.paused_pools from fairlane_core.settings as s)::text[])
  );
  v_none_apart boolean := coalesce(cardinality(p_load.apart), 0) = 0;
begin
  return query
  select
    u.user_id, u.reason, u.ready, u.claimable, u.active, u.active_orchestration, u.active_elsewhere, u.running, u.task_limit, u.last_served_at
  from (
    -- Open queues come from the index in the order of turns.
    select
      l.user_id, null::text as reason, l.ready_cloud + l.ready_cloud_orchestration as ready,
      least(l.ready_cloud_orchestration, l.orchestration_room) + least(l.ready_cloud, l.task_limit - l.running) as claimable,
      l.active_cloud as active, l.active_cloud_orchestration as active_orchestration,
      l.active_local + l.active_local_orchestration as active_elsewhere, l.running, l.task_limit, l.last_served_at, l.turn_load
    from unnest(v_pools) as p (pool)
      cross join lateral (
        select c.*
        from fairlane_core.user_queues as c
        where p_caller.user_id is null
          and c.pool = p.pool
          and c.is_open
          and (v_none_apart or c.user_id not in (select a.user_id from unnest(p_load.apart) as a))
        order by c.turn_load, c.last_served_at
        limit p_limit
      ) as l
    union all
    select a.*, s.running + s.orchestrating + s.remembered
    from unnest(p_load.apart) as a
      join fairlane_core.user_slots as s on s.user_id = a.user_id
    where a.claimable > 0
  ) as u
  order by u.turn_load, u.last_served_at
  limit p_limit;
end;
$$;

-- The users that a count lists: first those whose turn is next, then others with live work.
create function fairlane_core.listed_users(p_caller fairlane_core.caller, p_pool text, p_load fairlane_core.load_summary, p_turns fairlane_core.user_load_row[], p_limit integer)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_paused text[] := (select s.paused_pools from fairlane_core.settings as s);
  v_missing integer := greatest(p_limit - coalesce(cardinality(p_turns), 0), 0);
begin
  return (
    select coalesce(json_agg(u order by u.queued_tasks desc, u.ready_tasks desc, u.user_id), '[]')
    from (
      select
        t.user_id, t.claimable as queued_tasks, t.ready as ready_tasks, t.running as in_progress_tasks, t.task_limit,
        t.running >= t.task_limit as at_limit, t.reason as blocked_by
      from unnest(p_turns) as t
      union all
      (
        select o.user_id, 0, o.ready, o.running, o.task_limit, o.running >= o.task_limit, o.reason
        from (
          select a.user_id, a.ready, a.running, a.task_limit, coalesce(a.reason, case when a.ready > 0 then 'user_at_limit' end) as reason
          from unnest(p_load.apart) as a
          where a.claimable = 0
            and a.ready + a.active > 0
          union all
          -- Closed without a reason of the owner's, but with ready tasks: all of them are orchestration.
          select
            l.user_id, l.ready_cloud + l.ready_cloud_orchestration, s.running, s.task_limit,
            case
              when l.pool = any (v_paused) then 'pool_paused'
              else coalesce(s.cloud_reason, case when l.ready_cloud + l.ready_cloud_orchestration > 0 then 'user_at_limit' end)
            end
          from fairlane_core.user_queues as l
            join fairlane_core.user_slots as s on s.user_id = l.user_id
          where p_caller.user_id is null
            and p_load.users > p_load.owners
            and (p_pool is null or l.pool = p_pool)
            and (not l.is_open or l.pool = any (v_paused))
            and l.ready_cloud + l.ready_cloud_orchestration + l.active_cloud > 0
            and l.user_id not in (select a.user_id from unnest(p_load.apart) as a)
        ) as o
        limit v_missing
      )
    ) as u
  );
end;
$$;

-- Queued tasks that cannot run now, as {"<reason>": n}; every queued task is either claimable or under exactly one
-- reason. Reasons of the owner take precedence over stale, and so does having no free orchestration slot: only then are
-- an owner's stale tasks distinguished by kind, which no counter does.
create function fairlane_core.blocked_by_reason(p_caller fairlane_core.caller, p_pool text, p_load fairlane_core.load_summary)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_own boolean := p_caller.user_id is not null;
  v_paused text[] := (select s.paused_pools from fairlane_core.settings as s);
begin
  return (
    with waiting as (
      select b.user_id, b.pool, b.is_cloud, null::boolean as takes_slot, b.reason, b.task_count
      from fairlane_core.blocked_tasks as b
      where not v_own
        and b.is_cloud
      union all
      select b.user_id, b.pool, b.is_cloud, null, b.reason, b.task_count
      from fairlane_core.blocked_tasks as b
      where b.user_id = p_caller.user_id
      union all
      select o.user_id, o.pool, o.is_cloud, o.takes_slot, o.readiness, o.delta
      from unnest(p_load.overtaken) as o
      where o.readiness not in ('ready', 'active')
        and (v_own or o.is_cloud)
      union all
      select o.user_id, o.pool, o.is_cloud, o.takes_slot, o.readiness, o.delta
      from fairlane_core.own_gpu_waiting(p_caller, p_pool) as o
    ),
    stale as (
      select
        w.pool, w.is_cloud, w.takes_slot, w.task_count, s.user_id,
        case
          when w.pool = any (v_paused) then 'pool_paused'
          else fairlane_core.reason_of(s, p_caller, w.is_cloud)
        end as reason,
        s.orchestrating >= s.orchestration_limit as has_no_place
      from waiting as w
        left join fairlane_core.user_slots as s on s.user_id = w.user_id
      where w.reason = 'stale'
        and (p_pool is null or w.pool = p_pool)
    ),
    stale_by_kind as (
      select
        w.reason, w.task_count,
        case
          when w.reason is not null or w.has_no_place is not true or w.takes_slot then 0
          when not w.takes_slot then w.task_count
          else (
            select count(*)
            from fairlane.tasks as t
            where t.user_id = w.user_id
              and t.pool = w.pool
              and t.run_type = case when w.is_cloud then 'cloud' else 'local' end
              and t.readiness = 'stale'
              and not t.takes_slot
          )
        end as without_place
      from stale as w
    )
    select coalesce(json_object_agg(r.reason, r.task_count order by r.reason), '{}')
    from (
      select b.reason, sum(b.task_count) as task_count
      from (
        select w.reason, sum(w.task_count) as task_count
        from waiting as w
        where w.reason <> 'stale'
          and (p_pool is null or w.pool = p_pool)
        group by w.reason
        union all
        select coalesce(k.reason, c.reason), c.task_count
        from stale_by_kind as k
          cross join lateral (
            values ('user_at_limit', k.without_place), ('stale', k.task_count - k.without_place)
          ) as c (reason, task_count)
        union all
        select o.reason, o.task_count
        from (
          values
            ('pool_paused', p_load.pool_paused),
            ('user_at_limit', p_load.user_at_limit),
            ('no_credits', p_load.no_credits),
            ('cloud_disabled', p_load.cloud_disabled),
            ('local_disabled', p_load.local_disabled)
        ) as o (reason, task_count)
      ) as b
      group by b.reason
      having sum(b.task_count) > 0
    ) as r
  );
end;
$$;

-- How many of the tasks that fairlane_core.blocked_by_reason counted wait for one of these reasons: several reasons as
-- one number, for autoscalers that know fewer (docs/adr/0021).
create function fairlane_core.blocked_sum(p_blocked json, p_reasons text[])
returns integer
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(sum((p_blocked ->> r.reason)::integer), 0)
    from unnest(p_reasons) as r (reason)
  );
end;
$$;
