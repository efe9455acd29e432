-- What is usual for a type follows from its last completions. Only the end of a long history is read.
create function queue.note_durations(p_after_event_id bigint, p_up_to_event_id bigint)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := queue.now();
begin
  with seen as (
    select
      t.task_type,
      (array_agg(extract(epoch from e.at - t.claimed_at)::integer order by e.id))[greatest(count(*) - 49, 1):] as durations
    from public.task_events as e
      join public.tasks as t on t.id = e.task_id
    where e.id > greatest(p_after_event_id, p_up_to_event_id - 5000)
      and e.id <= p_up_to_event_id
      and e.from_status = 'In Progress'
      and e.to_status = 'Complete'
      and t.takes_slot
      and t.claimed_at <= e.at
      -- Of tasks from before types had bounds; too long for an index.
      and length(t.task_type) <= 200
    group by t.task_type
  ),
  joined as (
    select s.task_type, (d.durations || s.durations)[greatest(cardinality(d.durations || s.durations) - 49, 1):] as durations
    from seen as s
      left join queue.type_durations as d on d.task_type = s.task_type
    -- Any word may be a type: what users make up is not kept without end.
    where d.task_type is not null
      or (select count(*) from queue.type_durations) < 1000
  )
  insert into queue.type_durations as d (task_type, durations, usual, counted_at)
  select
    j.task_type, j.durations,
    make_interval(secs => (select percentile_disc(0.9) within group (order by x) from unnest(j.durations) as x)),
    v_now
  from joined as j
  on conflict (task_type) do update
  set durations = excluded.durations, usual = excluded.usual, counted_at = excluded.counted_at;

  delete from queue.type_durations as d where d.counted_at < v_now - interval '30 days';
end;
$$;

comment on function queue.note_durations(bigint, bigint) is
  'Adds the completions among these events (at most the last 5000) to queue.type_durations; types without one for 30 days go.';

revoke all on function queue.note_durations(bigint, bigint) from public, anon, authenticated, service_role;
