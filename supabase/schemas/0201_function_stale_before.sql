-- What began to wait before this has grown stale. Time in which the queue stood still (the project was paused, or its
-- jobs and workers were away) makes nothing older: work of a week ago is not thrown away at the first minute after an
-- outage. queue.watch_clock remembers how long that was; here it is seen also before the first look after it.
create function queue.stale_before()
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_watch queue.clock_watch;
  v_before timestamptz := queue.now() - (select s.stale_after from queue.settings as s);
begin
  select w.* into v_watch from queue.clock_watch as w;
  if clock_timestamp() > v_watch.looked_at + v_watch.away_after then
    v_before := v_before - (clock_timestamp() - v_watch.looked_at);
  end if;
  if v_watch.away_until >= v_before then
    v_before := v_before - v_watch.away_for;
  end if;
  return v_before;
end;
$$;

comment on function queue.stale_before() is
  'Never-started work that could have run since before this is stale: queue.settings.stale_after ago, and as much longer as the queue stood still meanwhile (queue.clock_watch).';

revoke all on function queue.stale_before() from public, anon, authenticated, service_role;
