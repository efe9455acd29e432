-- The job that takes work back may itself be dead. Then a claim that finds nothing does its work, at most once in two of
-- its periods. While the job runs, this only reads one row.
create function queue.rescue_when_late()
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
begin
  if not exists (
    select
    from queue.job_runs as r
    where r.job = 'rescue'
      and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period
  ) or not pg_try_advisory_xact_lock(hashtextextended('queue.rescue_when_late', 0)) then
    return 0;
  end if;

  -- Another claim may have been here since this statement's snapshot was taken. The row is not waited for.
  perform from queue.job_runs as r where r.job = 'rescue' for no key update skip locked;
  if not found then
    return 0;
  end if;
  update queue.job_runs as r
  set stood_in_at = v_now
  where r.job = 'rescue'
    and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period;
  if not found then
    return 0;
  end if;

  begin
    return coalesce((queue.rescue() ->> 'put_back')::integer, 0);
  exception when others then
    -- A claim must not fail because the rescue does; health tells.
    perform queue.record_run('rescue', v_now, jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate));
    return 0;
  end;
end;
$$;

comment on function queue.rescue_when_late() is
  'Does the work of the job rescue when that has not run for two periods, and returns how many tasks it put back; else, or when that fails (which is recorded), 0.';

revoke all on function queue.rescue_when_late() from public, anon, authenticated, service_role;
