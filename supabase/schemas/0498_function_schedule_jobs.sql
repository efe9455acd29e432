-- What runs by itself: each job is one call of one function that is safe to run twice (docs/operations.md). A function,
-- because a backup of the queue's tables does not hold the jobs of pg_cron: queue.rebuild makes them again.
create function queue.schedule_jobs()
returns void
language plpgsql
volatile
security invoker -- the jobs are those of whoever calls
set search_path = ''
as $schedule_jobs$
begin
  insert into queue.job_runs (job, period) values
    ('sweep', interval '1 minute'),
    ('rescue', interval '1 minute'),
    ('settle', interval '1 minute'),
    ('mend_orchestrations', interval '1 minute'),
    ('count_on', interval '1 minute'),
    ('cleanup', interval '10 minutes'),
    ('purge', interval '1 hour'),
    ('reconcile', interval '1 hour')
  on conflict (job) do update set period = excluded.period;

  perform cron.schedule('queue-sweep', '* * * * *', 'select queue.run_job(''sweep'')');
  perform cron.schedule('queue-mend-orchestrations', '* * * * *', 'select queue.run_job(''mend_orchestrations'')');
  perform cron.schedule('queue-count-on', '* * * * *', 'select queue.run_job(''count_on'')');

  -- The jobs that lock many owners commit after each batch. Not a procedure: one that commits can pin no search_path.
  -- A minute is soon enough for the rescue (180 s after the last sign are promised); where pg_cron knows seconds (1.5 and
  -- later), work of a dead worker does not wait for the full one.
  perform cron.schedule(j.name, j.schedule, pg_catalog.format($job$do $$
declare
  v_run queue.batch_run := queue.begin_batches(%L);
begin
  while not v_run.is_over loop
    v_run := queue.run_batch(v_run);
    commit;
    perform pg_catalog.pg_sleep_for(v_run.pause);
  end loop;
end;
$$$job$, j.job))
  from (
    values
      ('queue-cleanup', '*/10 * * * *', 'cleanup'),
      ('queue-purge', '7 * * * *', 'purge'),
      ('queue-reconcile', '17 * * * *', 'reconcile'),
      (
        'queue-rescue',
        case
          when (select regexp_match(e.extversion, '^(\d+)\.(\d+)')::integer[] >= array[1, 5] from pg_extension as e where e.extname = 'pg_cron')
            then '20 seconds'
          else '* * * * *'
        end,
        'rescue'
      ),
      (
        'queue-settle',
        case
          when (select regexp_match(e.extversion, '^(\d+)\.(\d+)')::integer[] >= array[1, 5] from pg_extension as e where e.extname = 'pg_cron')
            then '10 seconds'
          else '* * * * *'
        end,
        'settle'
      )
  ) as j (name, schedule, job);
end;
$schedule_jobs$;

comment on function queue.schedule_jobs() is
  'Makes the jobs of pg_cron, or makes them again, and their rows in queue.job_runs.';

revoke all on function queue.schedule_jobs() from public, anon, authenticated, service_role;
