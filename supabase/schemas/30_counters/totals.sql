-- How many tasks have ended, and how long they usually take: advanced from the history.

-- Advances the totals, once a minute: brings fairlane_core.status_totals and fairlane_core.type_durations up to two
-- minutes ago, and returns the totals. The last minutes are left for the next run: ids are assigned before their
-- transactions end, so a late one could be missed.
create function fairlane_core.advance_status_totals()
returns json
language plpgsql
volatile
security definer -- writes derived state for pg_cron and the operator
set search_path = ''
as $$
declare
  v_up_to bigint;
begin
  insert into fairlane_core.status_totals (status, task_count, last_event_id)
  select s.status, 0, 0
  from unnest(array['Complete', 'Failed', 'Cancelled']) as s (status)
  on conflict do nothing;

  -- Scanned from the end, so that the cost depends on the last minutes only.
  select e.id
  into v_up_to
  from fairlane.task_events as e
  where e.at < fairlane_core.now() - interval '2 minutes'
  order by e.id desc
  limit 1;

  perform fairlane_core.note_durations(
    (select s.last_event_id from fairlane_core.status_totals as s where s.status = 'Complete'), v_up_to
  );

  update fairlane_core.status_totals as s
  set task_count = s.task_count + fairlane_core.ended_since(s.status, s.last_event_id, v_up_to),
    last_event_id = v_up_to
  where s.last_event_id < v_up_to;

  return (select json_object_agg(s.status, s.task_count) from fairlane_core.status_totals as s);
end;
$$;

-- The usual duration of a type comes from its last completions: adds those among these events (at most the last 5000
-- events of a long history) to fairlane_core.type_durations, and removes types without one for 30 days.
create function fairlane_core.note_durations(p_after_event_id bigint, p_up_to_event_id bigint)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := fairlane_core.now();
begin
  with seen as (
    select
      t.task_type,
      (array_agg(extract(epoch from e.at - t.claimed_at)::integer order by e.id))[greatest(count(*) - 49, 1):] as durations
    from fairlane.task_events as e
      -- Each by key, here and wherever events are joined to their tasks: a join may compare every pair.
      cross join lateral (
        select k.task_type, k.takes_slot, k.claimed_at from fairlane.tasks as k where k.id = e.task_id offset 0
      ) as t
    where e.id > greatest(p_after_event_id, p_up_to_event_id - 5000)
      and e.id <= p_up_to_event_id
      and e.from_status = 'In Progress'
      and e.to_status = 'Complete'
      and t.takes_slot
      and t.claimed_at <= e.at
      -- Tasks older than the bounds of types may have one that is too long.
      and length(t.task_type) <= 200
    group by t.task_type
  ),
  joined as (
    select s.task_type, (d.durations || s.durations)[greatest(cardinality(d.durations || s.durations) - 49, 1):] as durations
    from seen as s
      left join fairlane_core.type_durations as d on d.task_type = s.task_type
    -- Users choose type names freely: names without a row are not kept for ever.
    where d.task_type is not null
      or (select count(*) from fairlane_core.type_durations) < 1000
  )
  insert into fairlane_core.type_durations as d (task_type, durations, usual, counted_at)
  select
    j.task_type, j.durations,
    make_interval(secs => (select percentile_disc(0.9) within group (order by x) from unnest(j.durations) as x)),
    v_now
  from joined as j
  on conflict (task_type) do update
  set durations = excluded.durations, usual = excluded.usual, counted_at = excluded.counted_at;

  delete from fairlane_core.type_durations as d where d.counted_at < v_now - interval '30 days';
end;
$$;

-- How many tasks are Complete, Failed or Cancelled: the stored totals plus what the history has added since.
create function fairlane_core.ended_total(p_status text)
returns bigint
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_total fairlane_core.status_totals;
begin
  select s.* into v_total from fairlane_core.status_totals as s where s.status = p_status;
  return coalesce(v_total.task_count, 0)
    + fairlane_core.ended_since(p_status, coalesce(v_total.last_event_id, 0), 9223372036854775807);
end;
$$;

-- Writes fairlane_core.status_totals anew from the tasks themselves. Events of the last minutes are left to be counted
-- later, as in fairlane_core.advance_status_totals; tasks and events are read in one snapshot.
create function fairlane_core.recount_totals()
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_up_to bigint;
begin
  select e.id
  into v_up_to
  from fairlane.task_events as e
  where e.at < fairlane_core.now() - interval '2 minutes'
  order by e.id desc
  limit 1;

  insert into fairlane_core.status_totals as s (status, task_count, last_event_id)
  select
    n.status, coalesce(c.counted, 0) - fairlane_core.ended_since(n.status, coalesce(v_up_to, 0), 9223372036854775807), coalesce(v_up_to, 0)
  from unnest(array['Complete', 'Failed', 'Cancelled']) as n (status)
    left join (select t.status, count(*) as counted from fairlane.tasks as t group by t.status) as c on c.status = n.status
  on conflict (status) do update
    set task_count = excluded.task_count, last_event_id = excluded.last_event_id;
end;
$$;

-- How many more (or fewer) tasks have this final status after the events between these two ids.
create function fairlane_core.ended_since(p_status text, p_after bigint, p_up_to bigint)
returns bigint
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select
      count(*) filter (where e.to_status = p_status and e.from_status is distinct from e.to_status)
      - count(*) filter (where e.from_status = p_status and e.from_status <> e.to_status)
      - count(*) filter (where e.from_status = p_status and e.from_status = e.to_status and e.reason = 'deleted')
    from fairlane.task_events as e
    where e.id > p_after
      and e.id <= p_up_to
  );
end;
$$;
