-- Rows that migrations ship and everything relies on. A restore or a clean-up by hand that loses one is noticed by nothing
-- else: without the row of the clock, for instance, silence is no longer measured.
create function queue.missing_rows()
returns table (row_name text, remedy text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select 'the row of queue.settings', 'insert into queue.settings default values'
  where not exists (select from queue.settings as s)
  union all
  select 'the row of queue.clock_watch', 'insert into queue.clock_watch default values'
  where not exists (select from queue.clock_watch as w)
  union all
  select
    pg_catalog.format('job %s of queue.job_runs', j.job),
    pg_catalog.format('insert into queue.job_runs (job, period) values (%L, %L)', j.job, j.period)
  from (
    values
      ('sweep', '1 minute'), ('rescue', '1 minute'), ('mend_orchestrations', '1 minute'), ('count_on', '1 minute'),
      ('settle', '1 minute'), ('cleanup', '10 minutes'), ('purge', '1 hour'), ('reconcile', '1 hour')
  ) as j (job, period)
  where not exists (select from queue.job_runs as r where r.job = j.job);
end;
$$;

comment on function queue.missing_rows() is
  'Rows that migrations ship and that are not there, with the statement that brings each back.';

revoke all on function queue.missing_rows() from public, anon, authenticated, service_role;
