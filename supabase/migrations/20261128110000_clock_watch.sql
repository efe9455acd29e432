-- What: a watch over the clock; silence is measured by it.
-- Why: a clock that jumps under the database must neither put back everybody's work nor shield that of a dead worker.
-- Back out: apply queue.lost_tasks and queue.rescue as 20261123201000_rules.sql has them, then drop queue.seen_at,
-- queue.watch_clock and the table.

set lock_timeout = '900ms';

-- What the queue has seen of the clock under the database. Written by each rescue (queue.watch_clock).
create table queue.clock_watch (
  is_only_row boolean not null default true,
  looked_at timestamptz,
  is_steady boolean not null default false,
  trusted_since timestamptz not null default '-infinity',
  set_back_at timestamptz,
  set_back_until timestamptz,
  constraint clock_watch_pkey primary key (is_only_row),
  constraint clock_watch_has_one_row check (is_only_row)
);

comment on table queue.clock_watch is 'Since when the clock can be trusted to have measured every silence; exactly one row.';
comment on column queue.clock_watch.is_only_row is 'Always true: the key that keeps this table at one row.';
comment on column queue.clock_watch.looked_at is 'The machine''s own time at the last look, without queue.settings.clock_offset.';
comment on column queue.clock_watch.is_steady is 'Whether the last look came in time, and a full gpu_silence_limit has been judged since the last gap.';
comment on column queue.clock_watch.trusted_since is
  'The first look after a gap: no silence and no run is taken to be longer than since then. -infinity = there was no gap.';
comment on column queue.clock_watch.set_back_at is 'The first look after the clock had last gone back; null = it never has.';
comment on column queue.clock_watch.set_back_until is 'What the clock had shown before that: until it shows this again, rows carry times yet to come.';

alter table queue.clock_watch enable row level security;

revoke all on table queue.clock_watch from public, anon, authenticated, service_role;
grant select on table queue.clock_watch to service_role;

-- A sign of life of a time yet to come was given before the clock went back. Taken as it stands it would shield a dead
-- worker until then. A few seconds ahead is no such sign: it came while the caller's transaction was under way.
create function queue.seen_at(p_sign timestamptz, p_now timestamptz)
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
    (select w.set_back_at from queue.clock_watch as w where w.set_back_until > p_now and w.set_back_at <= p_now),
    p_sign
  );
end;
$$;

comment on function queue.seen_at(timestamptz, timestamptz) is
  'When a sign of life (a beat, a report, a claim) was given: p_sign, or when the clock was found set back, if p_sign is of a time yet to come because of that. Null stays null.';

revoke all on function queue.seen_at(timestamptz, timestamptz) from public, anon, authenticated, service_role;

-- Nobody is silent because the clock has jumped. A jump and a rescue that did not run look the same from in here, a gap
-- between two looks, and in both nobody was watched meanwhile; so silences and runs are measured anew from the first
-- look after it. Not again before a full silence has been judged since: while looks keep coming late (claims stand in for a
-- dead pg_cron, or that misses minutes), gaps are all there is, and dead workers have to be found all the same.
create function queue.watch_clock(p_clock timestamptz default clock_timestamp())
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
  v_ahead timestamptz;
begin
  select w.* into v_watch from queue.clock_watch as w;
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
      and v_watch.looked_at < p_clock - 1.5 * r.period
  );

  update queue.clock_watch as w
  set looked_at = p_clock,
    is_steady = not v_has_gap and w.trusted_since <= v_now - (select s.gpu_silence_limit from queue.settings as s),
    trusted_since = case when v_has_gone_back or (v_has_gap and w.is_steady) then v_now else w.trusted_since end,
    set_back_at = case
      when v_has_gone_back or v_ahead > coalesce(w.set_back_until, '-infinity') then v_now
      else w.set_back_at
    end,
    set_back_until = greatest(
      case when v_has_gone_back then v_now + (w.looked_at - p_clock) else w.set_back_until end, v_ahead
    );
end;
$$;

comment on function queue.watch_clock(timestamptz) is
  'Looks at the clock; called by each rescue. After a gap of more than one and a half periods of the rescue, or a step back of more than 10 s, queue.clock_watch says from when silence is measured. p_clock: the time without queue.settings.clock_offset, given by tests.';

revoke all on function queue.watch_clock(timestamptz) from public, anon, authenticated, service_role;

-- Which running tasks nobody can be expected to finish, and why. Every kind of holder has its own sign of life: the
-- fleet's gpu workers beat; api workers and users' own machines only report. NULLs count as the longest silence there is.
-- Times are asked as queue.clock_watch says: the clock under the database may have jumped.
create or replace function queue.lost_tasks()
returns setof queue.lost_task
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
  -- After a start of the database nobody has had time to beat.
  v_may_judge_silence boolean;
  v_trusted_since timestamptz;
begin
  select s.* into v_settings from queue.settings as s;
  v_may_judge_silence := v_now < pg_postmaster_start_time() -- set back since; then v_trusted_since says from when
    or v_now - pg_postmaster_start_time() >= v_settings.gpu_silence_limit;
  v_trusted_since := (select least(w.trusted_since, v_now) from queue.clock_watch as w);

  return query
  with running as (
    select
      t.id, t.lease_token, t.reported_at, t.worker_id, t.token_id, t.pool, t.attempts, t.delivered_at,
      coalesce(t.timeout, y.timeout) as timeout,
      w.status as worker_status, seen.last_heartbeat, w.metadata ->> 'error_reason' as error_reason,
      seen.started_at,
      greatest(seen.started_at, v_trusted_since) as runs_since,
      greatest(seen.started_at, seen.reported_at, v_trusted_since) as last_report,
      greatest(seen.started_at, seen.reported_at, seen.last_heartbeat, v_trusted_since) as last_sign
    from public.tasks as t
      left join public.workers as w on w.id = t.worker_id and t.token_id is null
      left join public.task_types as y on y.name = t.task_type
      cross join lateral (
        select
          queue.seen_at(coalesce(t.claimed_at, t.generation_started_at, t.updated_at, t.created_at, '-infinity'), v_now) as started_at,
          queue.seen_at(t.reported_at, v_now) as reported_at,
          queue.seen_at(w.last_heartbeat, v_now) as last_heartbeat
      ) as seen
    where t.status = 'In Progress'
      and not queue.needs_no_worker(t)
  ),
  judged as (
    select
      r.*,
      case
        when r.worker_status in ('terminated', 'error', 'crashed') then 'worker_ended'
        when r.runs_since < v_now - r.timeout then 'timed_out'
        when not v_may_judge_silence then null
        when r.worker_id is null and r.last_report < v_now - v_settings.gpu_silence_limit then 'unassigned'
        when r.worker_id is null then null
        when r.token_id is not null then
          case when r.last_report < v_now - v_settings.token_silence_limit then 'caller_silent' end
        when r.pool = 'api' then
          case when r.last_sign < v_now - v_settings.api_silence_limit then 'caller_silent' end
        when r.last_sign < v_now - v_settings.gpu_silence_limit then 'worker_silent'
        when r.delivered_at is null and r.runs_since < v_now - v_settings.undelivered_limit then 'never_delivered'
      end as cause
    from running as r
  )
  select
    j.id, j.lease_token, j.reported_at, j.worker_id, j.cause,
    pg_catalog.format(
      'Start %s ended without a result: %s',
      greatest(j.attempts, 1),
      case j.cause
        when 'worker_ended' then pg_catalog.format(
          'worker %s is %s%s', j.worker_id, j.worker_status, coalesce(' (' || j.error_reason || ')', '')
        )
        when 'worker_silent' then pg_catalog.format(
          case
            when j.last_heartbeat is null or j.last_heartbeat < j.started_at then 'worker %s sent no heartbeat since its claim, %s s ago'
            else 'worker %s has been silent for %s s'
          end,
          j.worker_id, queue.seconds_between(j.last_sign, v_now)
        )
        when 'caller_silent' then pg_catalog.format(
          '%s %s gave no sign for %s s', case when j.token_id is null then 'worker' else 'the user''s machine' end, j.worker_id,
          queue.seconds_between(case when j.token_id is null then j.last_sign else j.last_report end, v_now)
        )
        when 'unassigned' then 'it had no worker'
        when 'timed_out' then pg_catalog.format(
          'it ran for %s s, its timeout is %s s', queue.seconds_between(j.started_at, v_now), extract(epoch from j.timeout)::bigint
        )
        when 'never_delivered' then pg_catalog.format(
          'worker %s beats, but has not named the task in %s s', j.worker_id, queue.seconds_between(j.started_at, v_now)
        )
      end
    )
  from judged as j
  where j.cause is not null;
end;
$$;

comment on function queue.lost_tasks() is
  'Running tasks to be put back and why: the worker''s row says it has ended, the worker is silent (gpu_silence_limit; api_silence_limit; token_silence_limit), no worker at all, the timeout of the task or its type, or never delivered (undelivered_limit). Orchestrators that only wait for their children are none.';

revoke all on function queue.lost_tasks() from public, anon, authenticated, service_role;

-- Takes work back from those who will not finish it. Runs every minute, and from a claim that finds nothing while the
-- job is late. Silent workers are set to error first, so that they get no more work and an orchestrator sees why.
create or replace function queue.rescue(p_limit integer default 1000)
returns json
language plpgsql
volatile
security definer -- changes workers and leases for pg_cron, claims and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_lost queue.lost_task[];
  v_silent text;
  v_reaped text[] := array[]::text[];
  v_spared text[] := array[]::text[];
begin
  -- One at a time; the other one has nothing to add.
  if not pg_try_advisory_xact_lock(hashtextextended('queue.rescue', 0)) then
    return json_build_object('skipped', 'another rescue is running');
  end if;

  perform queue.watch_clock();
  v_lost := array(select l from queue.lost_tasks() as l limit p_limit);
  if cardinality(v_lost) = 0 then
    return json_build_object('put_back', 0, 'workers_set_to_error', 0);
  end if;

  perform queue.say('queue.rescue');
  -- The trigger on workers would put the same tasks back (queue.workers_after_write).
  perform set_config('queue.rescues', 'on', true);
  for v_silent in
    select distinct l.worker_id from unnest(v_lost) as l where l.cause = 'worker_silent' order by l.worker_id
  loop
    -- A beat in this very moment wins.
    perform
    from public.workers as w
    where w.id = v_silent
      and coalesce(
        queue.seen_at(w.last_heartbeat, queue.now()) < queue.now() - (select s.gpu_silence_limit from queue.settings as s), true
      )
    for no key update skip locked;
    if not found and exists (select from public.workers as w where w.id = v_silent) then
      v_spared := v_spared || v_silent;
    elsif queue.mark_reaped(v_silent, (select min(l.reason) from unnest(v_lost) as l where l.worker_id = v_silent)) then
      v_reaped := v_reaped || v_silent;
    end if;
  end loop;
  perform set_config('queue.rescues', 'off', true);

  v_lost := array(
    select l from unnest(v_lost) as l where l.worker_id is null or l.cause <> 'worker_silent' or l.worker_id <> all (v_spared)
  );
  return json_build_object('put_back', queue.put_back(v_lost), 'workers_set_to_error', cardinality(v_reaped));
end;
$$;

comment on function queue.rescue(integer) is
  'Puts up to p_limit lost tasks back (queue.lost_tasks) and sets gpu workers that fell silent with work to error; returns {put_back, workers_set_to_error}, or {skipped} while another rescue runs. Safe to repeat.';

revoke all on function queue.rescue(integer) from public, anon, authenticated, service_role;
grant execute on function queue.rescue(integer) to service_role;

insert into queue.clock_watch (is_only_row) values (true) on conflict do nothing;
