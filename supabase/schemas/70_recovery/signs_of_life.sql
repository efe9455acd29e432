-- Who was heard of last, and from when silence is measured: the database's clock may have jumped.

-- Nobody is silent because the clock has jumped. From inside, a jump looks like a rescue that did not run: a gap
-- between two observations, in which nobody was watched. So silences and runs are measured from the first observation
-- after a gap. Not again before a full silence has been measured since: if observations keep coming late (claims
-- replace a dead pg_cron, or it skips minutes), there are only gaps, and dead workers must still be found.
--
-- A gap is an interval that could make a worker exceed its heartbeat timeout although it sends heartbeats, even if
-- observations are more frequent than the job's period. A promoted standby has a new timeline, though its server may
-- have been running for months. During a long gap nobody could work, so work does not age in it
-- (fairlane_core.stale_before).
-- Checks the clock; called by each rescue. After such a gap, a step back of more than 10 s or a promotion (a new
-- timeline), fairlane_core.clock_watch records from when silence is measured. p_clock: the time without
-- fairlane_core.settings.clock_offset, given by tests, like p_timeline.
create function fairlane_core.watch_clock(
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
  v_tolerance constant interval := interval '10 seconds'; -- clocks are routinely corrected by less
  v_now timestamptz := fairlane_core.now();
  v_watch fairlane_core.clock_watch;
  v_has_gone_back boolean;
  v_has_gap boolean;
  v_is_promoted boolean;
  v_away interval;
  v_ahead timestamptz;
  v_limit interval;
  v_stale_after interval;
begin
  select w.* into v_watch from fairlane_core.clock_watch as w;
  select s.gpu_heartbeat_timeout, s.stale_after into v_limit, v_stale_after from fairlane_core.settings as s;
  v_is_promoted := coalesce(v_watch.timeline <> p_timeline, false);
  v_has_gone_back := coalesce(p_clock < v_watch.looked_at - v_tolerance, false);
  -- The clock may have jumped ahead and back between two observations: then only rows written meanwhile show it.
  select max(a.sign)
  into v_ahead
  from (
    select w.last_heartbeat as sign from fairlane.workers as w where w.last_heartbeat > v_now + v_tolerance
    union all
    select greatest(t.claimed_at, t.reported_at)
    from fairlane.tasks as t
    where t.status = 'In Progress' and greatest(t.claimed_at, t.reported_at) > v_now + v_tolerance
  ) as a;
  v_has_gap := v_has_gone_back or exists (
    select
    from fairlane_core.job_runs as r
    where r.job = 'rescue'
      and v_watch.looked_at < p_clock - greatest(1.1 * r.period, least(1.5 * r.period, v_limit - interval '30 seconds'))
  );
  if p_clock - v_watch.looked_at > v_watch.away_after then
    v_away := p_clock - v_watch.looked_at;
  end if;

  update fairlane_core.clock_watch as w
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
      -- An absence that is itself recent is added to it.
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

-- Whether a worker with this last heartbeat is still alive: within gpu_heartbeat_timeout, also where the clock was set
-- back (fairlane_core.seen_at); false for null.
create function fairlane_core.is_beating(p_last_beat timestamptz)
returns boolean
language plpgsql
stable
security definer -- called by a trigger with the rights of the writer
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
begin
  return coalesce(fairlane_core.seen_at(p_last_beat, v_now) > v_now - (select s.gpu_heartbeat_timeout from fairlane_core.settings as s), false);
end;
$$;

-- When a sign of life (a heartbeat, a report, a claim) was given: p_sign; or, if p_sign lies in the future because the
-- clock was set back, the time at which that was noticed: otherwise it would shield a dead worker until then. A few
-- seconds ahead is normal: it came while the caller's transaction was running. Null stays null.
create function fairlane_core.seen_at(p_sign timestamptz, p_now timestamptz)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_sign is null or p_sign <= p_now + interval '10 seconds' then
    return p_sign;
  end if;
  return coalesce(
    (select w.set_back_at from fairlane_core.clock_watch as w where w.set_back_until > p_now and w.set_back_at <= p_now),
    p_sign
  );
end;
$$;

-- What was seen of an attempt that ended without a result: whether its worker sent heartbeats, logged, or was gone. The
-- history keeps it, because logs are deleted after two days and the worker's row moves on; and the queue reads in the
-- history who may still be working on a task (fairlane_core.has_live_former_holder).
-- For an attempt of this worker at this task: {running_seconds, beats, seconds_since_last_beat,
-- seconds_since_last_report, worker_is_gone (said goodbye, crashed or leaving), was_named (by a call, a heartbeat or a
-- log line), log_lines}; null where nothing is known.
create function fairlane_core.signs_of_life(
  p_task_id uuid, p_worker_id text, p_started_at timestamptz, p_reported_at timestamptz, p_delivered_at timestamptz
)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_worker fairlane.workers;
begin
  select w.* into v_worker from fairlane.workers as w where w.id = p_worker_id;
  return jsonb_build_object(
    'running_seconds', round(extract(epoch from v_now - p_started_at)),
    'beats', coalesce(v_worker.last_heartbeat >= p_started_at, false),
    'seconds_since_last_beat', round(extract(epoch from v_now - v_worker.last_heartbeat)),
    'seconds_since_last_report', round(extract(epoch from v_now - p_reported_at)),
    -- By its own report or its guardian's; a worker that others have set aside may go on working. Under a shared name
    -- the row describes all of its machines (fairlane_core.requeue_lost).
    'worker_is_gone', coalesce(v_worker.goodbye_at is not null or v_worker.status in ('crashed', 'terminating'), false)
      or coalesce(strpos(current_setting('fairlane_core.mode', true), 'gone:' || p_task_id) > 0, false),
    'was_named', p_delivered_at is not null,
    'log_lines', (
      select count(*)
      from fairlane.system_logs as l
      where l.task_id = p_task_id::text
        and l."timestamp" >= coalesce(p_started_at, '-infinity')
    )
  );
end;
$$;

-- Applies ends reported by heartbeats while another transaction held the worker's row. A row that is still locked waits
-- for the next rescue; a worker that has given a sign of life since has not ended.
create function fairlane_core.apply_noted_ends()
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_noted record;
begin
  for v_noted in
    select distinct on (b.worker_id) b.worker_id, b.beat_at, b.status
    from fairlane_core.noted_beats as b
    where b.worker_id in (select n.worker_id from fairlane_core.noted_beats as n where n.status is not null and n.leases is null)
    order by b.worker_id, b.beat_at desc
  loop
    perform from fairlane.workers as w where w.id = v_noted.worker_id for no key update skip locked;
    continue when not found and exists (select from fairlane.workers as w where w.id = v_noted.worker_id);
    if v_noted.status is not null
      and exists (
        select
        from fairlane.workers as w
        where w.id = v_noted.worker_id
          and coalesce(w.last_heartbeat <= v_noted.beat_at, true)
      )
      and not exists (
        select from fairlane.tasks as t
        where t.worker_id = v_noted.worker_id
          and t.status = 'In Progress'
          and t.claimed_at > v_noted.beat_at
      )
    then
      perform fairlane_core.beat(v_noted.worker_id, v_noted.status, null, null, v_noted.beat_at);
    end if;
    update fairlane_core.noted_beats as b
    set status = null
    where b.worker_id = v_noted.worker_id
      and b.beat_at <= v_noted.beat_at
      and b.status is not null;
  end loop;
end;
$$;
