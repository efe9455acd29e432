-- What a run of a job came to: its row in queue.job_runs is what health, warnings and operators look at.
create function queue.record_run(p_job text, p_started_at timestamptz, p_result jsonb)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_result ? 'error' then
    raise warning 'queue job % failed: % (%)', p_job, p_result ->> 'error', p_result ->> 'sqlstate';
    update queue.job_runs as r
    set failed_at = queue.now(), error = pg_catalog.format('%s (%s)', p_result ->> 'error', p_result ->> 'sqlstate')
    where r.job = p_job;
    return;
  end if;

  update queue.job_runs as r
  set ran_at = queue.now(), took = clock_timestamp() - p_started_at, result = p_result
  where r.job = p_job;
end;
$$;

comment on function queue.record_run(text, timestamptz, jsonb) is
  'Writes into queue.job_runs what this run did, or, when p_result is {error, sqlstate}, why it failed.';

revoke all on function queue.record_run(text, timestamptz, jsonb) from public, anon, authenticated, service_role;
