-- Nobody is silent because the clock has jumped. A jump and a rescue that did not run look the same from in here, a gap
-- between two looks, and in both nobody was watched meanwhile; so silences and runs are measured anew from the first
-- look after it. Once: while looks keep coming late (claims stand in for a dead pg_cron), gaps are all there is, and
-- dead workers have to be found all the same.
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
begin
  select w.* into v_watch from queue.clock_watch as w;
  v_has_gone_back := coalesce(p_clock < v_watch.looked_at - v_tolerance, false);
  v_has_gap := v_has_gone_back or exists (
    select
    from queue.job_runs as r
    where r.job = 'rescue'
      and v_watch.looked_at < p_clock - 1.5 * r.period
  );

  update queue.clock_watch as w
  set looked_at = p_clock,
    is_steady = not v_has_gap,
    trusted_since = case when v_has_gone_back or (v_has_gap and w.is_steady) then v_now else w.trusted_since end,
    set_back_at = case when v_has_gone_back then v_now else w.set_back_at end,
    set_back_until = case when v_has_gone_back then v_now + (w.looked_at - p_clock) else w.set_back_until end;
end;
$$;

comment on function queue.watch_clock(timestamptz) is
  'Looks at the clock; called by each rescue. After a gap of more than one and a half periods of the rescue, or a step back of more than 10 s, queue.clock_watch says from when silence is measured. p_clock: the time without queue.settings.clock_offset, given by tests.';

revoke all on function queue.watch_clock(timestamptz) from public, anon, authenticated, service_role;
