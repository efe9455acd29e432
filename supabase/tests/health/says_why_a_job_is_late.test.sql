begin;
select plan(7);

-- SETUP: the sweep has not run for ten minutes
select tests.empty_queue();
update fairlane_core.job_runs set scheduled_at = fairlane_core.now(), ran_at = fairlane_core.now(), failed_at = null, result = null;
update fairlane_core.job_runs set period = '1 minute', ran_at = fairlane_core.now() - interval '10 minutes' where job = 'sweep';
create function pg_temp.reason() returns text language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  v_reply := public.health(tests.service());
  reset role;
  return v_reply #>> '{reasons,0,message}';
end;
$$;

-- TEST: scheduled and not run
select cron.alter_job(jobid, active := true) from cron.job where jobname = 'fairlane-sweep';
select matches(pg_temp.reason(), 'fairlane-sweep is active in cron.job: is pg_cron running\?', 'An active job that does not run: pg_cron stands still');

-- TEST: paused by hand
select cron.alter_job(jobid, active := false) from cron.job where jobname = 'fairlane-sweep';
select matches(pg_temp.reason(), '^Job sweep last ran at .*: it is paused', 'A paused job is said to be paused');
select substring(pg_temp.reason() from 'select cron.*$') as way_back \gset
select lives_ok(:'way_back', 'With the way back');
select matches(pg_temp.reason(), 'is pg_cron running', 'Which makes it active again');
select matches(
  tests.counts() #>> '{warnings,0,message}', 'fairlane-sweep is active', 'The warnings of the counts say the same'
);

-- TEST: taken out of the schedule
select cron.unschedule('fairlane-sweep');
select matches(pg_temp.reason(), 'fairlane-sweep is not in cron.job', 'A job that nobody schedules is said to be missing');
select substring(pg_temp.reason() from 'select cron.*$') as way_back \gset
select lives_ok(:'way_back', 'With the way back as well');

select * from finish();
rollback;
