begin;
select plan(13);

-- SETUP: well after the server's start; a rescue once a minute; a worker that beats every 20 seconds
select tests.empty_queue();
select tests.step_clock('1 day');
insert into fairlane_core.clock_watch default values on conflict do nothing;
update fairlane_core.job_runs set period = '1 minute' where job = 'rescue';
select tests.create_user(p_max_in_progress => 10) as owner \gset
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-alive') as task \gset
create function pg_temp.beat() returns void language sql as $$
  insert into public.workers (id, status, last_heartbeat) values ('gpu-alive', 'active', fairlane_core.now())
  on conflict (id) do update set last_heartbeat = excluded.last_heartbeat;
$$;
create function pg_temp.lost() returns text language sql as $$
  select string_agg(l.cause, ' ') from fairlane_core.stalled_tasks() as l;
$$;
-- The clock of the queue and that of the machine move on together.
create function pg_temp.wait(p_for interval) returns void language sql as $$
  select tests.step_clock(p_for);
  update fairlane_core.clock_watch set looked_at = looked_at - p_for;
$$;
select fairlane_core.watch_clock();
select pg_temp.beat();

-- TEST: a standby that was promoted while beats could not come
select is(
  (select w.timeline from fairlane_core.clock_watch as w), left(pg_walfile_name(pg_current_wal_lsn()), 8), 'Each look notes the timeline of the server'
);
update fairlane_core.clock_watch set timeline = '00000000', trusted_since = '-infinity', is_steady = false;
select pg_temp.wait('60 seconds');
select pg_temp.wait('45 seconds');
select is(pg_temp.lost(), 'worker_silent', 'On the old server a worker of 105 seconds'' silence would be lost');
select fairlane_core.watch_clock();
select is(pg_temp.lost(), null, 'The look on the new one takes that for a start');
select is((select w.is_steady from fairlane_core.clock_watch as w), false, 'From which on silence is measured anew');
select tests.step_clock('100 seconds');
select is(pg_temp.lost(), null, 'For as long as it may last');
select tests.step_clock('1 microsecond');
select is(pg_temp.lost(), 'worker_silent', 'And no longer');
select fairlane_core.watch_clock();
select is(pg_temp.lost(), 'worker_silent', 'A second look on the same timeline changes nothing');
update fairlane_core.clock_watch set timeline = null;
select fairlane_core.watch_clock();
select is(pg_temp.lost(), 'worker_silent', 'Nor does the first look of all');

-- TEST: an outage that is shorter than a period and a half, and longer than a worker may be silent
select pg_temp.beat();
select fairlane_core.watch_clock();
update fairlane_core.clock_watch set is_steady = true, trusted_since = '-infinity';
select pg_temp.wait('20 seconds'); -- the next beat would have come now
select fairlane_core.watch_clock();
select pg_temp.wait('82 seconds');
select is(pg_temp.lost(), 'worker_silent', 'After 82 seconds without a database a worker has been silent for 102');
select fairlane_core.watch_clock();
select is(pg_temp.lost(), null, 'The observation after them shows that nobody could have sent a heartbeat');
select pg_temp.beat();
select pg_temp.wait('60 seconds');
select fairlane_core.watch_clock();
select is(pg_temp.lost(), null, 'And a worker that sends heartbeats again keeps the task');

-- TEST: looks that come when they should let nobody be silent longer
select pg_temp.wait('60 seconds');
select fairlane_core.watch_clock();
select is((select count(*)::integer from fairlane_core.stalled_tasks()), 1, 'Watched every minute, silence is found');
select is((tests.task(:'task')).status, 'In Progress', 'Only looking takes nothing');

select * from finish();
rollback;
