-- What pg_cron calls. A job that fails is recorded instead of raised: its row in queue.job_runs is what health, warnings
-- and operators look at, and a raised error would take that row with it.
create function queue.run_job(p_job text)
returns jsonb
language plpgsql
volatile
security definer -- writes job_runs for pg_cron and the operator
set search_path = ''
as $$
declare
  v_started timestamptz := clock_timestamp();
  v_result jsonb;
begin
  begin
    v_result := case p_job
      when 'sweep' then queue.sweep()::jsonb
      when 'rescue' then queue.rescue()::jsonb
      when 'mend_orchestrations' then queue.mend_orchestrations()::jsonb
      when 'count_on' then queue.count_on()::jsonb
      when 'cleanup' then queue.cleanup()::jsonb
      when 'purge' then queue.purge()::jsonb
      when 'reconcile' then jsonb_build_object('mended', queue.reconcile())
    end;
    if v_result is null then
      perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('There is no job %s', p_job));
    end if;
  exception when others then
    raise warning 'queue job % failed: % (%)', p_job, sqlerrm, sqlstate;
    update queue.job_runs as r
    set failed_at = queue.now(), error = pg_catalog.format('%s (%s)', sqlerrm, sqlstate)
    where r.job = p_job;
    return jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
  end;

  update queue.job_runs as r
  set ran_at = queue.now(), took = clock_timestamp() - v_started, result = v_result
  where r.job = p_job;
  raise log 'queue job %: %', p_job, v_result;
  return v_result;
end;
$$;

comment on function queue.run_job(text) is
  'Runs one job (sweep, rescue, mend_orchestrations, count_on, cleanup, purge, reconcile) and records in queue.job_runs when, how long and what it did, or why it failed. Returns what it did, or {error, sqlstate}.';

revoke all on function queue.run_job(text) from public, anon, authenticated, service_role;
grant execute on function queue.run_job(text) to service_role;
