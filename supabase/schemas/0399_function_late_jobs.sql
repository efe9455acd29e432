-- Jobs that nobody should rely on now.
create function queue.late_jobs()
returns table (job text, ran_at timestamptz, is_failing boolean, message text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select
    r.job, r.ran_at, coalesce(r.failed_at > coalesce(r.ran_at, '-infinity'), false),
    case
      when r.failed_at > coalesce(r.ran_at, '-infinity') then pg_catalog.format('Job %s fails since %s: %s', r.job, r.failed_at, r.error)
      else pg_catalog.format('Job %s last ran at %s: %s', r.job, coalesce(r.ran_at::text, '(never)'), queue.why_late(r.job))
    end
  from queue.job_runs as r
  where r.failed_at > coalesce(r.ran_at, '-infinity')
    or coalesce(r.ran_at, r.scheduled_at) < queue.now() - 2 * r.period;
end;
$$;

comment on function queue.late_jobs() is
  'Jobs that failed when they last ran, or have not run for two periods, with words for an operator.';

revoke all on function queue.late_jobs() from public, anon, authenticated, service_role;
