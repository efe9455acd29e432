-- The jobs: scheduled, run at once or in batches, recorded, and replaced by claims while they are late.

-- The scheduled jobs: each is one call of one function that is safe to run twice (docs/operations.md). A function,
-- because a backup of the queue's tables does not contain the jobs of pg_cron: fairlane_core.rebuild creates them
-- again.
create function fairlane_core.schedule_jobs()
returns void
language plpgsql
volatile
security invoker -- the jobs belong to the caller
set search_path = ''
as $schedule_jobs$
declare
  v_knows_seconds boolean := (
    select regexp_match(e.extversion, '^(\d+)\.(\d+)')::integer[] >= array[1, 5] from pg_extension as e where e.extname = 'pg_cron'
  );
begin
  insert into fairlane_core.job_runs (job, period)
  select j.job, j.period::interval from fairlane_core.jobs() as j
  on conflict (job) do update set period = excluded.period;

  perform cron.schedule('fairlane-sweep', '* * * * *', 'select fairlane_core.run_job(''sweep'')');
  perform cron.schedule('fairlane-repair-orchestrations', '* * * * *', 'select fairlane_core.run_job(''repair_orchestrations'')');
  perform cron.schedule('fairlane-advance-status-totals', '* * * * *', 'select fairlane_core.run_job(''advance_status_totals'')');

  -- The jobs that lock many owners commit after each batch. Not a procedure: one that commits cannot pin a search_path.
  -- Every minute is enough for the rescue (180 s after the last sign of life are promised); where pg_cron supports
  -- seconds (1.5 and later), work of a dead worker waits even less.
  perform cron.schedule(j.name, j.schedule, pg_catalog.format($job$do $$
declare
  v_run fairlane_core.batch_run := fairlane_core.begin_batches(%L);
begin
  while not v_run.is_over loop
    v_run := fairlane_core.run_batch(v_run);
    commit;
    perform pg_catalog.pg_sleep_for(v_run.pause);
  end loop;
end;
$$$job$, j.job))
  from (
    values
      ('fairlane-cleanup', '*/10 * * * *', 'cleanup'),
      ('fairlane-purge', '7 * * * *', 'purge'),
      ('fairlane-reconcile', '17 * * * *', 'reconcile'),
      ('fairlane-rescue', case when v_knows_seconds then '20 seconds' else '* * * * *' end, 'rescue'),
      ('fairlane-settle', case when v_knows_seconds then '10 seconds' else '* * * * *' end, 'settle')
  ) as j (name, schedule, job);
end;
$schedule_jobs$;

-- All jobs, and how often each must run at least.
create function fairlane_core.jobs()
returns table (job text, period text)
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return query
  values
    ('sweep', '1 minute'), ('rescue', '1 minute'), ('repair_orchestrations', '1 minute'), ('advance_status_totals', '1 minute'),
    ('settle', '1 minute'), ('cleanup', '10 minutes'), ('purge', '1 hour'), ('reconcile', '1 hour');
end;
$$;

-- What pg_cron calls, and an operator by hand. A job that fails is recorded instead of raised: an error would roll back
-- the record.
-- Runs one job (sweep, rescue, settle, repair_orchestrations, advance_status_totals, cleanup, purge, reconcile) in one
-- transaction and records in fairlane_core.job_runs when, how long and what it did, or why it failed. Returns what it
-- did, or {error, sqlstate}.
create function fairlane_core.run_job(p_job text)
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
      when 'sweep' then fairlane_core.sweep()::jsonb
      when 'rescue' then fairlane_core.rescue()::jsonb
      when 'settle' then fairlane_core.settle_deferred(1000)::jsonb
      when 'repair_orchestrations' then fairlane_core.repair_orchestrations()::jsonb
      when 'advance_status_totals' then fairlane_core.advance_status_totals()::jsonb
      when 'cleanup' then fairlane_core.cleanup()::jsonb
      when 'purge' then fairlane_core.purge()::jsonb
      when 'reconcile' then jsonb_build_object('repaired', fairlane_core.reconcile())
    end;
    if v_result is null then
      perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('There is no job %s', p_job));
    end if;
  exception when others then
    v_result := jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
  end;

  perform fairlane_core.record_run(p_job, v_started_at, v_result);
  raise log 'queue job %: %', p_job, v_result;
  return v_result;
end;
$$;

-- Begins a run in batches. What is due is collected once: for cleanup and purge up to 10,000 tasks of each kind, by
-- owner; for reconcile the owners that have drifted; rescue and settle search again for each batch. An error is
-- recorded in fairlane_core.job_runs and ends the run.
create function fairlane_core.begin_batches(p_job text)
returns fairlane_core.batch_run
language plpgsql
volatile
security definer -- looks up and records for pg_cron
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_run fairlane_core.batch_run;
begin
  v_run.job := p_job;
  v_run.done_count := 0;
  v_run.started_at := clock_timestamp();
  v_run.is_over := false;
  begin
    v_run.due := case p_job
      -- Each batch searches again: what is lost, or left to do, changes from one second to the next.
      when 'rescue' then array[]::uuid[]
      when 'settle' then array[]::uuid[]
      -- Grouped by owner, so that a batch locks few owners.
      when 'cleanup' then array(
        select c.task_id
        from fairlane_core.tasks_to_cancel(10000) as c
          join fairlane.tasks as t on t.id = c.task_id
        order by t.user_id, c.created_at
      )
      when 'purge' then array(select t.id from fairlane_core.tasks_to_purge(10000) as t order by t.user_id)
      -- The slowest first, before any owner is locked: the totals, and tasks without an owner.
      when 'reconcile' then array(select distinct d.user_id from fairlane_core.drift() as d order by d.user_id nulls first)
    end;
  exception when others then
    perform fairlane_core.record_run(p_job, v_run.started_at, jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate));
    v_run.is_over := true;
  end;
  return v_run;
end;
$$;

-- The next batch of a run. Changing a task takes the lock on its owner, which claims need: so a batch is small, must be
-- committed before the next one, and is followed by a pause three times as long for the claims. Records the sum of all
-- batches so far.
-- A batch is, for cleanup and purge: 50 tasks; for purge also up to 1,000 each of logs, tokens, records of pg_cron and
-- events, and in the first one up to 900 owners without account; for reconcile: 5 owners; for rescue: 100 lost tasks, until none is found that can be requeued; for settle:
-- 100 tasks of deferred work, until nothing is left that can be done. The run ends when everything due has been
-- processed and no more of the rest is left, after 45 seconds, or when a batch fails.
create function fairlane_core.run_batch(p_run fairlane_core.batch_run)
returns fairlane_core.batch_run
language plpgsql
volatile
security definer -- works for pg_cron
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  -- Cancelling a task takes a millisecond; counting an owner again about twenty.
  v_size constant integer := case p_run.job when 'reconcile' then 5 else 50 end;
  v_started_at constant timestamptz := clock_timestamp();
  v_due uuid[] := p_run.due[p_run.done_count + 1 : p_run.done_count + v_size];
  v_batch jsonb;
begin
  begin
    v_batch := case p_run.job
      when 'cleanup' then jsonb_build_object('cancelled', fairlane_core.cancel_due(v_due))
      when 'purge' then fairlane_core.purge_kept(1000, false) || jsonb_build_object(
        -- Once a run: comparing all owners with all accounts is not for every batch.
        'owners', case when p_run.result is null then fairlane_core.delete_owners_without_account(900) else 0 end,
        'tasks', fairlane_core.purge_tasks(v_due)
      )
      when 'reconcile' then jsonb_build_object('repaired', fairlane_core.reconcile_owners(v_due))
      -- The loss of a region can take thousands of workers. Another rescue may be running.
      when 'rescue' then fairlane_core.rescue(100)::jsonb - 'skipped'
      when 'settle' then fairlane_core.settle_deferred(100)::jsonb
    end;
    p_run.done_count := p_run.done_count + cardinality(v_due);
    p_run.is_over := case
      -- Not when it was less than a full batch: locked rows are skipped.
      when p_run.job = 'rescue' then coalesce((v_batch ->> 'requeue_lost')::integer, 0) = 0
      when p_run.job = 'settle' then (v_batch ->> 'settled')::integer + (v_batch ->> 'finished')::integer = 0
      else p_run.done_count >= cardinality(p_run.due)
        and not exists (select from jsonb_each_text(v_batch) as b where b.key <> 'tasks' and b.value::integer >= 1000)
    end or clock_timestamp() > p_run.started_at + interval '45 seconds';
    p_run.result := coalesce(
      (
        select jsonb_object_agg(b.key, b.value::bigint + coalesce((p_run.result ->> b.key)::bigint, 0))
        from jsonb_each_text(v_batch) as b
      ),
      p_run.result, '{}'
    );
  exception when others then
    p_run.result := jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
    p_run.is_over := true;
  end;

  perform fairlane_core.record_run(p_run.job, p_run.started_at, p_run.result);
  if p_run.is_over then
    raise log 'queue job %: %', p_run.job, p_run.result;
  end if;
  -- Lost tasks have waited long enough, dependents of ended tasks somewhat.
  p_run.pause := case p_run.job when 'rescue' then 0 when 'settle' then 1 else 3 end * (clock_timestamp() - v_started_at);
  return p_run;
end;
$$;

-- The rescue job may itself be dead. Then a claim that finds nothing does its work, once it has not run for two
-- periods, and at most once in that time. While the job runs, this only reads one row. Returns how many tasks it
-- requeued; also 0 when that fails, which is recorded.
create function fairlane_core.rescue_when_late()
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
begin
  if not exists (
    select
    from fairlane_core.job_runs as r
    where r.job = 'rescue'
      and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period
  ) or not pg_try_advisory_xact_lock(hashtextextended('fairlane_core.rescue_when_late', 0)) then
    return 0;
  end if;

  -- Another claim may have run it since this statement's snapshot was taken. Does not wait for the row.
  perform from fairlane_core.job_runs as r where r.job = 'rescue' for no key update skip locked;
  if not found then
    return 0;
  end if;
  update fairlane_core.job_runs as r
  set stood_in_at = v_now
  where r.job = 'rescue'
    and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period;
  if not found then
    return 0;
  end if;

  begin
    return coalesce((fairlane_core.rescue() ->> 'requeue_lost')::integer, 0);
  exception when others then
    -- A claim must not fail because the rescue does; health reports it.
    perform fairlane_core.record_run('rescue', v_now, jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate));
    return 0;
  end;
end;
$$;

-- Writes into fairlane_core.job_runs, which health, warnings and operators read, what this run did, or, when p_result
-- is {error, sqlstate}, why it failed.
create function fairlane_core.record_run(p_job text, p_started_at timestamptz, p_result jsonb)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  -- Without pg_cron nothing has scheduled it (fairlane_core.schedule_jobs): then its first run makes its row.
  insert into fairlane_core.job_runs (job, period)
  select j.job, j.period::interval
  from fairlane_core.jobs() as j
  where j.job = p_job
  on conflict (job) do nothing;

  if p_result ? 'error' then
    raise warning 'queue job % failed: % (%)', p_job, p_result ->> 'error', p_result ->> 'sqlstate';
    update fairlane_core.job_runs as r
    set failed_at = fairlane_core.now(), error = pg_catalog.format('%s (%s)', p_result ->> 'error', p_result ->> 'sqlstate')
    where r.job = p_job;
    return;
  end if;

  update fairlane_core.job_runs as r
  set ran_at = fairlane_core.now(), took = clock_timestamp() - p_started_at, result = p_result
  where r.job = p_job;
end;
$$;
