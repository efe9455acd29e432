begin;
select plan(37);

-- SETUP: a fleet in which all is well
select tests.empty_queue();
-- None of them is late, whatever the clock says.
update fairlane_core.job_runs set period = '1 year', ran_at = fairlane_core.now(), failed_at = null;
-- Keeps the scheduled sweep out until the end of the test.
lock table fairlane_core.minute_samples in share row exclusive mode;
create function pg_temp.codes(p_pool text default 'gpu') returns text language sql as $$
  select coalesce(string_agg(w ->> 'code', ' ' order by w ->> 'code'), '') from jsonb_array_elements(tests.counts(p_pool) -> 'warnings') as w;
$$;
create function pg_temp.warns(p_code text, p_pool text default 'gpu') returns boolean language sql as $$
  select p_code = any (string_to_array(pg_temp.codes(p_pool), ' '));
$$;
-- The sample of a minute ago, with p_arrivals tasks enqueued since; the api pool idles.
create function pg_temp.sampled(p_claimable integer, p_arrivals integer, p_age interval default '1 minute') returns void language sql as $$
  delete from fairlane_core.minute_samples;
  insert into fairlane_core.minute_samples (sampled_at, pool, claimable, arrivals, completions, last_event_id)
  select fairlane_core.now() - p_age, p.pool, case p.pool when 'gpu' then p_claimable else 0 end, 0, 0, e.id
  from unnest(array['gpu', 'api']) as p (pool)
    cross join (
      select c.id from public.task_events as c where c.from_status is null order by c.id desc offset p_arrivals limit 1
    ) as e;
$$;
select tests.create_user(p_max_in_progress => 100) as ana \gset
select tests.create_user(p_max_in_progress => 100) as ben \gset
insert into public.workers (id, status, last_heartbeat) values ('gpu-1', 'active', fairlane_core.now());
select tests.create_task(:'ana') from generate_series(1, 8);
select tests.create_task(:'ben') as of_ben \gset

-- TEST: all is well
select pg_temp.sampled(9, 0);
select is(pg_temp.codes(), '', 'Where all is well nothing is warned of');

-- TEST: JUMP_FROM_ZERO: ten or more, none a minute ago, and no arrivals that explain it
select pg_temp.sampled(0, 0);
select ok(not pg_temp.warns('JUMP_FROM_ZERO'), 'Nine tasks after none are no jump');
select tests.create_task(:'ben') as tenth \gset
select pg_temp.sampled(0, 0);
select is(pg_temp.codes(), 'JUMP_FROM_ZERO', 'Ten tasks after none are');
select ok(pg_temp.warns('JUMP_FROM_ZERO', null), 'Also over both pools');
select ok(not pg_temp.warns('JUMP_FROM_ZERO', 'api'), 'Not in the pool that idles');
select matches(tests.counts() #>> '{warnings,0,message}', '^10 tasks', 'The message has the number');
select pg_temp.sampled(0, 9);
select is(pg_temp.codes(), 'JUMP_FROM_ZERO', 'Nine arrivals do not explain ten tasks');
select pg_temp.sampled(0, 10);
select is(pg_temp.codes(), '', 'Ten arrivals do');
select pg_temp.sampled(1, 0);
select is(pg_temp.codes(), '', 'Growth from one is no jump from zero');
delete from fairlane_core.minute_samples;
select is(pg_temp.codes(), '', 'Without a sample there is nothing to jump from');

-- TEST: WORK_OLDER_THAN_A_DAY
select pg_temp.sampled(10, 0);
update public.tasks set created_at = fairlane_core.now() - interval '1 day' where id = :'tenth';
select is(pg_temp.codes(), '', 'Work of exactly a day is warned of by nothing');
update public.tasks set created_at = fairlane_core.now() - interval '1 day 1 microsecond' where id = :'tenth';
select is(pg_temp.codes(), 'WORK_OLDER_THAN_A_DAY', 'Work older than that is');
select tests.create_task(:'ana', p_priority => 1) from generate_series(1, 80);
select tests.create_task(:'ben', p_priority => 1) from generate_series(1, 80);
select is(pg_temp.codes(), 'WORK_OLDER_THAN_A_DAY', 'Also behind more work than a list shows');
delete from public.tasks where priority = 1;
update public.users set max_in_progress = 0 where id = :'ben';
select ok(not pg_temp.warns('WORK_OLDER_THAN_A_DAY'), 'Not when its owner may run nothing');
update public.users set max_in_progress = 100 where id = :'ben';
update public.tasks set created_at = fairlane_core.now() where id = :'tenth';

-- TEST: ONE_OWNER
update public.users set credits = 0 where id = :'ben';
select is(pg_temp.codes(), '', 'Eight tasks of one user are nothing special');
select tests.create_task(:'ana') from generate_series(1, 2);
select pg_temp.sampled(10, 0);
select is(pg_temp.codes(), 'ONE_OWNER', 'Ten are');
select is(pg_temp.codes(null), 'ONE_OWNER', 'Also over both pools');
update public.users set credits = 1 where id = :'ben';
select is(pg_temp.codes(), '', 'Not when a second user has work that may run');
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where user_id = :'ben';
select is(pg_temp.codes(), 'ONE_OWNER', 'What is not due is no work that may run');
update fairlane_core.settings set clock_offset = clock_offset + interval '1 hour';
update public.workers set last_heartbeat = fairlane_core.now();
select pg_temp.sampled(10, 0);
select is(pg_temp.codes(), '', 'Once it is due, it is, also before a claim has released it');
update public.tasks set available_at = null where user_id = :'ben';
select tests.create_task(:'ana', 'edit_image') from generate_series(1, 10);
select is(pg_temp.warns('ONE_OWNER', 'api'), true, 'Each pool for itself');

-- TEST: NO_WORKER_BEATING
update public.workers set last_heartbeat = fairlane_core.now() - interval '99.999999 seconds';
select is(pg_temp.codes(), '', 'A worker with a heartbeat within the timeout counts');
update public.workers set last_heartbeat = fairlane_core.now() - interval '100 seconds';
select is(pg_temp.codes(), 'NO_WORKER_BEATING', 'At the silence limit it is not');
update public.workers set last_heartbeat = null;
select is(pg_temp.codes(), 'NO_WORKER_BEATING', 'Nor does one that never sent a heartbeat');
update fairlane_core.settings set gpu_heartbeat_timeout = '1 hour';
update public.workers set last_heartbeat = fairlane_core.now() - interval '59 minutes';
select is(pg_temp.codes(), '', 'The limit is a setting');
update public.workers set last_heartbeat = null;
select ok(not pg_temp.warns('NO_WORKER_BEATING', 'api'), 'Workers of the api pool are not expected to');
select ok(pg_temp.warns('NO_WORKER_BEATING', null), 'Over both pools gpu work counts');
update public.tasks set status = 'Cancelled' where pool = 'gpu';
select is(pg_temp.codes(), '', 'Without gpu work no worker is missed');
select ok(not pg_temp.warns('NO_WORKER_BEATING', null), 'Nor when only api work waits');

-- TEST: JOB_LATE and JOB_FAILED
update public.workers set last_heartbeat = fairlane_core.now();
update fairlane_core.job_runs set ran_at = fairlane_core.now() - interval '2 minutes', failed_at = null, period = '1 minute';
select is(pg_temp.codes(), '', 'Jobs that ran two periods ago are in time');
update fairlane_core.job_runs set ran_at = ran_at - interval '1 microsecond' where job in ('rescue', 'sweep');
select is(pg_temp.codes(), 'JOB_LATE', 'A microsecond more is late; two late jobs are one warning');
select matches(tests.counts() #>> '{warnings,0,message}', 'Job rescue last ran .*fairlane-rescue.*; Job sweep last ran', 'The message names both, and where to look');
select ok(pg_temp.warns('JOB_LATE', 'api'), 'It concerns either pool');
update fairlane_core.job_runs set ran_at = fairlane_core.now() - interval '1 second', failed_at = fairlane_core.now(), error = 'disk full' where job = 'rescue';
select is(pg_temp.codes(), 'JOB_FAILED JOB_LATE', 'A job that fails is another matter');
update fairlane_core.job_runs set ran_at = fairlane_core.now();
select is(pg_temp.codes(), '', 'Until it has run again');

-- TEST: users and their machines are told of none of it
select is(tests.counts('gpu', true, tests.signed_in(:'ana')) -> 'warnings', '[]', 'A user gets no warnings about the fleet');
select is(tests.counts('gpu', true, tests.with_token(:'ana')) -> 'warnings', '[]', 'Nor does a token');

select * from finish();
rollback;
