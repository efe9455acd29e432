-- What pg_cron calls, and an operator by hand. A job that fails is recorded instead of raised: a raised error would take
-- the record with it.
create function queue.run_job(p_job text)
returns jsonb
language plpgsql
volatile
security definer -- writes job_runs for pg_cron and the operator
set search_path = ''
as $$
declare
  v_started_at timestamptz := clock_timestamp();
  v_result jsonb;
begin
  begin
    v_result := case p_job
      when 'sweep' then queue.sweep()::jsonb
      when 'rescue' then queue.rescue()::jsonb
      when 'settle' then queue.settle_deferred(1000)::jsonb
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
    v_result := jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
  end;

  perform queue.record_run(p_job, v_started_at, v_result);
  raise log 'queue job %: %', p_job, v_result;
  return v_result;
end;
$$;

comment on function queue.run_job(text) is
  'Runs one job (sweep, rescue, settle, mend_orchestrations, count_on, cleanup, purge, reconcile) in one transaction and records in queue.job_runs when, how long and what it did, or why it failed. Returns what it did, or {error, sqlstate}.';

revoke all on function queue.run_job(text) from public, anon, authenticated, service_role;
grant execute on function queue.run_job(text) to service_role;
