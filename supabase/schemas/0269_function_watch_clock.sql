-- Nobody is silent because the clock has jumped. A jump and a rescue that did not run look the same from in here, a gap
-- between two looks, and in both nobody was watched meanwhile; so silences and runs are measured anew from the first
-- look after it. Not again before a full silence has been judged since: while looks keep coming late (claims stand in for a
-- dead pg_cron, or that misses minutes), gaps are all there is, and dead workers have to be found all the same.
--
-- A gap is what could carry a worker that beats over its silence limit, even where looks are more frequent than the job's
-- period says. A standby that was promoted has a timeline of its own; its server may have been running for months. And
-- what happened in a long gap, nobody could have worked off: work grows no older in it (queue.stale_before).
create function queue.watch_clock(
  p_clock timestamptz default clock_timestamp(),
  p_timeline text default pg_catalog.left(pg_walfile_name(pg_current_wal_lsn()), 8)
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_tolerance constant interval := interval '10 seconds'; -- clocks are set right by less than this all the time
  v_now timestamptz := queue.now();
  v_watch queue.clock_watch;
  v_has_gone_back boolean;
  v_has_gap boolean;
  v_is_promoted boolean;
  v_away interval;
  v_ahead timestamptz;
  v_limit interval;
  v_stale_after interval;
begin
  select w.* into v_watch from queue.clock_watch as w;
  select s.gpu_silence_limit, s.stale_after into v_limit, v_stale_after from queue.settings as s;
  v_is_promoted := coalesce(v_watch.timeline <> p_timeline, false);
  v_has_gone_back := coalesce(p_clock < v_watch.looked_at - v_tolerance, false);
  -- It may have gone ahead and back between two looks: then nothing but what was written meanwhile says so.
  select max(a.sign)
  into v_ahead
  from (
    select w.last_heartbeat as sign from public.workers as w where w.last_heartbeat > v_now + v_tolerance
    union all
    select greatest(t.claimed_at, t.reported_at)
    from public.tasks as t
    where t.status = 'In Progress' and greatest(t.claimed_at, t.reported_at) > v_now + v_tolerance
  ) as a;
  v_has_gap := v_has_gone_back or exists (
    select
    from queue.job_runs as r
    where r.job = 'rescue'
      and v_watch.looked_at < p_clock - greatest(1.1 * r.period, least(1.5 * r.period, v_limit - interval '30 seconds'))
  );
  if p_clock - v_watch.looked_at > v_watch.away_after then
    v_away := p_clock - v_watch.looked_at;
  end if;

  update queue.clock_watch as w
  set looked_at = p_clock,
    timeline = p_timeline,
    is_steady = not v_has_gap and not v_is_promoted and w.trusted_since <= v_now - v_limit,
    trusted_since = case
      when v_has_gone_back or v_is_promoted or (v_has_gap and w.is_steady) then v_now
      else w.trusted_since
    end,
    away_until = case when v_away is not null then v_now else w.away_until end,
    away_for = case
      when v_away is null then w.away_for
      -- One that has not grown old itself is added to it.
      when w.away_until >= v_now - v_stale_after - v_away then v_away + w.away_for
      else v_away
    end,
    set_back_at = case
      when v_has_gone_back or v_ahead > coalesce(w.set_back_until, '-infinity') then v_now
      else w.set_back_at
    end,
    set_back_until = greatest(
      case when v_has_gone_back then v_now + (w.looked_at - p_clock) else w.set_back_until end, v_ahead
    );
end;
$$;

comment on function queue.watch_clock(timestamptz, text) is
  'Looks at the clock; called by each rescue. After a gap that could carry a beating worker over its silence limit, a step back of more than 10 s or a promotion (a new timeline), queue.clock_watch says from when silence is measured. p_clock: the time without queue.settings.clock_offset, given by tests, like p_timeline.';

revoke all on function queue.watch_clock(timestamptz, text) from public, anon, authenticated, service_role;
