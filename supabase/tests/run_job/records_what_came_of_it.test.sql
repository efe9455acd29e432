begin;
select plan(12);

-- SETUP
select tests.empty_queue();
create function pg_temp.run(p_job text) returns jsonb language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  v_reply := fairlane_core.run_job(p_job);
  reset role;
  return v_reply;
end;
$$;
update fairlane_core.job_runs
set scheduled_at = fairlane_core.now(), ran_at = null, failed_at = null, stood_in_at = null,
  period = case when job in ('sweep', 'rescue') then interval '1 minute' else interval '1 hour' end;

-- TEST: a run
select is_empty('select * from fairlane_core.late_jobs()', 'Right after the deployment no job is late');
select pg_temp.run(r.job) from fairlane_core.job_runs as r;
select is((select count(*)::integer from fairlane_core.job_runs where ran_at = fairlane_core.now() and error is null and took is not null), 8, 'Every job runs and is recorded');
select is((select r.result ->> 'requeue_lost' from fairlane_core.job_runs as r where r.job = 'rescue'), '0', 'With what it did');

-- TEST: a run by a timer of somebody's own
delete from fairlane_core.job_runs where job = 'settle';
select pg_temp.run('settle');
select is(
  (select (r.period, r.ran_at)::text from fairlane_core.job_runs as r where r.job = 'settle'),
  (interval '1 minute', fairlane_core.now())::text, 'A job that nothing has scheduled is recorded, too'
);
update fairlane_core.job_runs set period = interval '1 hour' where job = 'settle';

-- TEST: late
select tests.step_clock('2 minutes');
select is_empty('select * from fairlane_core.late_jobs()', 'Two periods without a run are not late yet');
select tests.step_clock('1 second');
select bag_eq('select l.job from fairlane_core.late_jobs() as l', array['rescue', 'sweep'], 'After that they are');
select matches((select l.message from fairlane_core.late_jobs() as l where l.job = 'sweep'), '^Job sweep last ran at ', 'In words');

-- TEST: a failure does not stop anybody, and is not forgotten
create or replace function fairlane_core.sweep(p_limit integer default 1000) returns json language plpgsql as 'begin raise exception ''disk full''; end';
select matches(pg_temp.run('sweep') ->> 'error', 'disk full', 'A job that fails answers with its error');
select ok((select l.is_failing from fairlane_core.late_jobs() as l where l.job = 'sweep'), 'It is listed as failing');
select matches((select l.message from fairlane_core.late_jobs() as l where l.job = 'sweep'), 'Job sweep fails since .*: disk full \(P0001\)', 'With the reason');
select is(pg_temp.run('unheard of') ->> 'sqlstate', 'PT400', 'A job that does not exist is refused');

-- TEST: what pg_cron calls
select set_eq(
  $$select substring(j.command from '(?:fairlane_core.run_job|fairlane_core.begin_batches)\([^)]*\)') from cron.job as j where j.jobname like 'fairlane-%'$$,
  $$
    select format('fairlane_core.%s(%L)', case when r.job in ('cleanup', 'purge', 'reconcile', 'rescue', 'settle') then 'begin_batches' else 'run_job' end, r.job)
    from fairlane_core.job_runs as r
  $$,
  'pg_cron calls each of them, and nothing else'
);

select * from finish();
rollback;
