-- Runs: what the timer calls.

-- Records a run for every job that became due in (since, until] and returns them.
-- A job that still runs is left alone, as pg_cron does.
create function cron.begin_due_runs(since timestamptz, until timestamptz)
returns table (runid bigint, jobid bigint, username text, command text)
language sql
as $$
  insert into cron.job_run_details as d (
    jobid, database, username, command, status, start_time
  )
  select j.jobid, j.database, j.username, j.command, 'running', until
  from cron.job as j
    cross join lateral (
      select max(r.start_time) as at, bool_or(r.status = 'running') as goes_on
      from cron.job_run_details as r
      where r.jobid = j.jobid
    ) as last
  where j.active
    and last.goes_on is not true
    and case
      when cron.interval_seconds(j.schedule) is not null
        then last.at is null
          or last.at <= until - make_interval(secs => cron.interval_seconds(j.schedule))
      else date_trunc('minute', until) > since
        and cron.names_minute(j.schedule, until)
    end
  returning d.runid, d.jobid, d.username, d.command
$$;

-- Records how a run ended.
create function cron.end_run(run bigint, status text, message text) returns void
language sql
as $$
  update cron.job_run_details
  set status = $2, return_message = $3, end_time = clock_timestamp()
  where runid = $1
$$;

-- Runs that were cut off with the timer; pg_cron says the same of its own.
create function cron.end_lost_runs() returns void
language sql
as $$
  update cron.job_run_details
  set status = 'failed', return_message = 'server restarted',
    end_time = clock_timestamp()
  where status = 'running'
$$;

revoke all on function
  cron.begin_due_runs(timestamptz, timestamptz),
  cron.end_run(bigint, text, text),
  cron.end_lost_runs()
from public;
