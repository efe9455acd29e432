begin;
select plan(8);

-- SETUP: a task under a name that several share, started and named last 19 minutes ago
select tests.empty_queue();
delete from public.workers;
select tests.step_clock('1 day');
select tests.create_user(p_max_in_progress => 50) as owner \gset
insert into public.workers (id, status, last_heartbeat) values ('token-worker', 'active', fairlane_core.now());
select tests.create_task_in('In Progress', :'owner', 'clip', 'token-worker', 1) as task \gset
create function pg_temp.named_last(p_at timestamptz) returns void language sql as $$
  update public.tasks set claimed_at = p_at, delivered_at = p_at, reported_at = p_at where worker_id = 'token-worker';
  update fairlane_core.clock_watch set trusted_since = '-infinity', set_back_at = null, set_back_until = null;
  delete from fairlane_core.noted_beats;
$$;
-- What explain says, and what the rescue does then and a microsecond later, while others under the name beat on.
create function pg_temp.told(p_task_id uuid) returns interval language sql as $$
  select fairlane_core.named_before(t) - fairlane_core.now() from public.tasks as t where t.id = p_task_id;
$$;
create function pg_temp.lost_after(p_wait interval) returns text[] language plpgsql as $$
declare
  v_lost text[] := array[]::text[];
  v_step interval;
begin
  foreach v_step in array array[p_wait, interval '0.000001 seconds'] loop
    perform tests.step_clock(v_step);
    update public.workers set last_heartbeat = fairlane_core.now();
    v_lost := v_lost || array_to_string(array(select l.cause from fairlane_core.stalled_tasks() as l), ' ');
  end loop;
  return v_lost;
end;
$$;

-- TEST: watched all the time
select pg_temp.named_last(fairlane_core.now() - interval '19 minutes');
select is(pg_temp.told(:'task'), interval '1 minute', 'It has to be named within 20 minutes');
select is(pg_temp.lost_after('1 minute'), array['', 'unnamed'], 'After that it is requeued');

-- TEST: after a gap
select pg_temp.named_last(fairlane_core.now() - interval '19 minutes');
update fairlane_core.clock_watch set trusted_since = fairlane_core.now();
select is(pg_temp.told(:'task'), interval '20 minutes', 'Nobody was watched in a gap: the time begins anew');
select is(pg_temp.lost_after('20 minutes'), array['', 'unnamed'], 'For the rescue, too');

-- TEST: a gap after one of the machines has ended
select pg_temp.named_last(fairlane_core.now() - interval '5 minutes');
insert into fairlane_core.noted_beats (worker_id, beat_at, status, leases, doubtful_leases)
select 'token-worker', fairlane_core.now() - interval '4 minutes', 'terminated', '{}', array[t.lease_token] from public.tasks as t where t.id = :'task';
update fairlane_core.clock_watch set trusted_since = fairlane_core.now();
select is(pg_temp.told(:'task'), interval '5 minutes', 'The time in which the others name what is theirs begins anew as well');
select is(pg_temp.lost_after('5 minutes'), array['', 'terminated'], 'For the rescue, too');

-- TEST: a clock that went back
select pg_temp.named_last(fairlane_core.now() + interval '1 hour');
update fairlane_core.clock_watch set set_back_at = fairlane_core.now() - interval '10 minutes', set_back_until = fairlane_core.now() + interval '2 hours';
select is(pg_temp.told(:'task'), interval '10 minutes', 'What was named at a time yet to come was named before the clock went back');
select is(pg_temp.lost_after('10 minutes'), array['', 'unnamed'], 'For the rescue, too');

select * from finish();
rollback;
