-- The job sweep: work that is due or has grown stale, samples, types without a row, empty user queues.

-- What only time changes, once a minute: due work, stale work, and a sample of the counts. Bounded and safe to run
-- twice or in parallel: locked rows, and those of locked owners, are left for the next run. Owners are locked together
-- with their rows, so that nobody is waited for.
-- Releases due tasks, sets stale ones aside (at most p_limit each), samples the counts and notes types without a row;
-- returns {released, grown_stale}.
create function fairlane_core.sweep(p_limit integer default 1000)
returns json
language plpgsql
volatile
security definer -- writes derived state for pg_cron and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- a plan for an empty list of ids may read all there is
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set enable_sort = off -- due and stale tasks are read in index order, whatever the statistics
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_stale_before timestamptz := fairlane_core.stale_before();
  v_due uuid[];
  v_stale uuid[];
  v_last_event_id bigint;
begin
  select array_agg(d.id)
  into v_due
  from (
    select t.id
    from fairlane.tasks as t
      join fairlane_core.user_slots as s on s.user_id = t.user_id
    where t.readiness = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    limit p_limit
    for no key update of t, s skip locked
  ) as d;
  perform fairlane_core.recompute_readiness(coalesce(v_due, array[]::uuid[]));

  select array_agg(o.id)
  into v_stale
  from (
    select t.id
    from fairlane.tasks as t
      join fairlane_core.user_slots as s on s.user_id = t.user_id
    where t.readiness = 'ready'
      and t.attempts = 0
      and t.claimed_at is null
      and greatest(t.created_at, t.available_at, t.released_at) < v_stale_before
      and fairlane_core.is_stale(greatest(t.created_at, t.available_at, t.released_at), false, t.params)
    order by greatest(t.created_at, t.available_at, t.released_at)
    limit p_limit
    for no key update of t, s skip locked
  ) as o;
  perform fairlane_core.recompute_readiness(coalesce(v_stale, array[]::uuid[]));

  -- A second sweep in the same minute has nothing to add to the sample.
  if not exists (select from fairlane_core.minute_samples as m where m.sampled_at > v_now - interval '30 seconds') then
    select coalesce(max(m.last_event_id), 0) into v_last_event_id from fairlane_core.minute_samples as m;

    insert into fairlane_core.minute_samples (sampled_at, pool, claimable, arrivals, completions, last_event_id)
    select
      v_now, p.pool, fairlane_core.claimable_count(('service', null, null)::fairlane_core.caller, p.pool),
      coalesce(e.arrivals, 0), coalesce(e.completions, 0), coalesce(n.id, v_last_event_id)
    from unnest(fairlane_core.pools()) as p (pool)
      cross join (select max(x.id) as id from fairlane.task_events as x) as n
      left join (
        select
          t.pool,
          count(*) filter (where x.from_status is null) as arrivals,
          count(*) filter (where x.to_status = 'Complete' and x.from_status <> 'Complete') as completions
        from (
          -- The newest: after an outage there may be millions.
          select n.task_id, n.at, n.from_status, n.to_status
          from fairlane.task_events as n
          where n.id > v_last_event_id
          order by n.id desc
          limit 100000
        ) as x
          -- Each by key: a join may compare every pair.
          cross join lateral (select k.pool from fairlane.tasks as k where k.id = x.task_id offset 0) as t
        where x.at > v_now - interval '5 minutes'
        group by t.pool
      ) as e on e.pool = p.pool
    on conflict do nothing;

    -- Continues from the previous sample, however old.
    perform fairlane_core.note_unknown_types(v_now);
    delete from fairlane_core.minute_samples as m where m.sampled_at < v_now - interval '1 day';
  end if;

  -- Last, because it locks owners until the end.
  perform fairlane_core.drop_empty_queues(p_limit);

  return json_build_object(
    'released', coalesce(cardinality(v_due), 0),
    'grown_stale', coalesce(cardinality(v_stale), 0)
  );
end;
$$;

-- Notes types without a row among the tasks enqueued since the previous sweep, from the history: enqueuing itself
-- writes nothing extra. The last minute before p_now is left for the next run, as its transactions may still be open.
-- Users choose names freely, so at most a thousand are kept. However long no sweep ran, everything since the last one
-- is read, up to the newest hundred thousand rows. Returns how many types it wrote.
create function fairlane_core.note_unknown_types(p_now timestamptz)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 1000;
  v_most_events constant integer := 100000;
  v_until constant timestamptz := p_now - interval '1 minute';
  v_from timestamptz;
  v_after_id bigint;
  v_noted integer;
begin
  -- Two runs at once would count the same tasks.
  if not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.note_unknown_types', 0)) then
    return 0;
  end if;

  delete from fairlane_core.unknown_types as u
  where u.last_seen_at < p_now - interval '30 days'
    or exists (select from fairlane.task_types as y where y.name = u.name);

  v_from := coalesce(
    (select max(m.sampled_at) from fairlane_core.minute_samples as m where m.sampled_at < p_now) - interval '1 minute',
    p_now - interval '10 minutes'
  );
  select coalesce(max(m.last_event_id), 0)
  into v_after_id
  from fairlane_core.minute_samples as m
  where m.sampled_at < v_from - interval '1 minute';

  insert into fairlane_core.unknown_types as u (name, task_count, first_seen_at, last_seen_at)
  select r.task_type, r.task_count, r.first_at, r.last_at
  from (
    select s.*, row_number() over (partition by s.is_noted order by s.task_count desc, s.task_type) as place
    from (
      select
        t.task_type, count(*) as task_count, min(e.at) as first_at, max(e.at) as last_at,
        exists (select from fairlane_core.unknown_types as k where k.name = t.task_type) as is_noted
      from (
        select n.task_id, n.at, n.from_status
        from fairlane.task_events as n
        where n.id > v_after_id
        order by n.id desc
        limit v_most_events
      ) as e
        cross join lateral (select k.task_type from fairlane.tasks as k where k.id = e.task_id offset 0) as t
      where e.from_status is null
        and e.at > v_from
        and e.at <= v_until
        -- Names older than the bounds may be too long for a row in task_types, and here.
        and length(t.task_type) between 1 and 200
        and not exists (select from fairlane.task_types as y where y.name = t.task_type)
      group by t.task_type
    ) as s
  ) as r
  where r.is_noted
    or r.place <= v_most - (select count(*) from fairlane_core.unknown_types)
  on conflict (name) do update
    set task_count = u.task_count + excluded.task_count,
      last_seen_at = excluded.last_seen_at;
  get diagnostics v_noted = row_count;
  return v_noted;
end;
$$;

-- A user queue keeps its row when its last task has ended, because most fill again soon. Counts scan all user queues,
-- so rows that stayed empty for an hour are deleted, for at most p_limit owners, with these owners' blocked counters
-- that are zero. Returns how many user queues.
create function fairlane_core.drop_empty_queues(p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_owners uuid[];
  v_dropped integer;
begin
  -- Under the owners' locks no queue fills meanwhile; owners that are being served are left for the next run.
  select array_agg(o.user_id)
  into v_owners
  from (
    select s.user_id
    from fairlane_core.user_slots as s
    where s.user_id in (
      select l.user_id
      from fairlane_core.user_queues as l
      where l.last_served_at < fairlane_core.now() - interval '1 hour'
        and (
          l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
          l.active_cloud, l.active_cloud_orchestration, l.active_local, l.active_local_orchestration
        ) = (0, 0, 0, 0, 0, 0, 0, 0)
      limit p_limit
    )
    for no key update of s skip locked
  ) as o;

  delete from fairlane_core.user_queues as l
  where l.user_id = any (v_owners)
    and l.last_served_at < fairlane_core.now() - interval '1 hour'
    and (
      l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
      l.active_cloud, l.active_cloud_orchestration, l.active_local, l.active_local_orchestration
    ) = (0, 0, 0, 0, 0, 0, 0, 0);
  get diagnostics v_dropped = row_count;

  delete from fairlane_core.blocked_tasks as b
  where b.user_id = any (v_owners)
    and b.task_count = 0;
  return v_dropped;
end;
$$;
