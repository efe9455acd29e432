-- Why a job that should have run did not, and the way back, as far as pg_cron tells. It may be gone, or not ours to read.
create function queue.why_late(p_job text)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_name constant text := 'queue-' || replace(p_job, '_', '-');
  v_is_active boolean;
begin
  if to_regclass('cron.job') is null then
    return 'pg_cron is not installed; docs/operations.md says how the jobs come back';
  end if;

  -- By name only: a function that named the table would not run without it.
  execute 'select bool_or(j.active) from cron.job as j where j.jobname = $1' into v_is_active using v_name;
  return case
    when v_is_active then pg_catalog.format('%s is active in cron.job: is pg_cron running?', v_name)
    when not v_is_active then pg_catalog.format(
      'it is paused; it goes on with select cron.alter_job(jobid, active := true) from cron.job where jobname = %L', v_name
    )
    else pg_catalog.format(
      '%s is not in cron.job; it comes back with select cron.schedule(%L, %L, %L)',
      v_name, v_name,
      case
        when (select r.period from queue.job_runs as r where r.job = p_job) <= interval '1 minute' then '* * * * *'
        when (select r.period from queue.job_runs as r where r.job = p_job) < interval '1 hour' then '*/10 * * * *'
        else '17 * * * *'
      end,
      pg_catalog.format('select queue.run_job(%L)', p_job)
    )
  end;
exception
  when insufficient_privilege then
    return 'is pg_cron running?';
end;
$$;

comment on function queue.why_late(text) is
  'Why pg_cron may not have run this job: not installed, paused, not scheduled or not running, with the way back. Part of a sentence.';

revoke all on function queue.why_late(text) from public, anon, authenticated, service_role;
