-- What time alone changes, once a minute: work that has become due, work that has grown stale, and a sample of the
-- counts. Bounded and safe to run twice or in parallel: rows that somebody holds, and those of owners whom somebody holds,
-- are left for the next time. Their owners are locked with them, so that nobody is waited for.
create function queue.sweep(p_limit integer default 1000)
returns json
language plpgsql
volatile
security definer -- writes derived state for pg_cron and the operator
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set enable_sort = off -- what is due and what is stale is read in the order of an index, whatever the statistics
as $$
declare
  v_now timestamptz := queue.now();
  v_stale_before timestamptz := queue.stale_before();
  v_due uuid[];
  v_stale uuid[];
  v_last_event_id bigint;
begin
  select array_agg(d.id)
  into v_due
  from (
    select t.id
    from public.tasks as t
      join queue.user_slots as s on s.user_id = t.user_id
    where t.standing = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    limit p_limit
    for no key update of t, s skip locked
  ) as d;
  perform queue.ask_standing_again(coalesce(v_due, array[]::uuid[]));

  select array_agg(o.id)
  into v_stale
  from (
    select t.id
    from public.tasks as t
      join queue.user_slots as s on s.user_id = t.user_id
    where t.standing = 'ready'
      and t.attempts = 0
      and t.claimed_at is null
      and greatest(t.created_at, t.available_at, t.released_at) < v_stale_before
      and queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
    order by greatest(t.created_at, t.available_at, t.released_at)
    limit p_limit
    for no key update of t, s skip locked
  ) as o;
  perform queue.ask_standing_again(coalesce(v_stale, array[]::uuid[]));

  -- A second sweep in the same minute has nothing to add to the sample.
  if not exists (select from queue.minute_samples as m where m.sampled_at > v_now - interval '30 seconds') then
    select coalesce(max(m.last_event_id), 0) into v_last_event_id from queue.minute_samples as m;

    insert into queue.minute_samples (sampled_at, pool, claimable, arrivals, completions, last_event_id)
    select
      v_now, p.pool, queue.claimable_count(('service', null, null)::queue.caller, p.pool),
      coalesce(e.arrivals, 0), coalesce(e.completions, 0), coalesce(n.id, v_last_event_id)
    from unnest(queue.pools()) as p (pool)
      cross join (select max(x.id) as id from public.task_events as x) as n
      left join (
        select
          t.pool,
          count(*) filter (where x.from_status is null) as arrivals,
          count(*) filter (where x.to_status = 'Complete' and x.from_status <> 'Complete') as completions
        from public.task_events as x
          join public.tasks as t on t.id = x.task_id
        where x.id > v_last_event_id
          and x.at > v_now - interval '5 minutes'
        group by t.pool
      ) as e on e.pool = p.pool
    on conflict do nothing;

    -- It reads on from the sample before, however old that one is.
    perform queue.note_unknown_types(v_now);
    delete from queue.minute_samples as m where m.sampled_at < v_now - interval '1 day';
  end if;

  -- Last, because it locks owners until the end.
  perform queue.drop_empty_lines(p_limit);

  return json_build_object(
    'released', coalesce(cardinality(v_due), 0),
    'grown_stale', coalesce(cardinality(v_stale), 0)
  );
end;
$$;

comment on function queue.sweep(integer) is
  'Releases due tasks, sets stale ones aside (at most p_limit each), samples the counts and notes types without a row; returns {released, grown_stale}.';

revoke all on function queue.sweep(integer) from public, anon, authenticated, service_role;
grant execute on function queue.sweep(integer) to service_role;
