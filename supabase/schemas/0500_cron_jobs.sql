-- What runs by itself: each job is one call of one function that is safe to run twice (docs/operations.md).
-- Minutes, because pg_cron knows seconds only from 1.5 on.
create extension if not exists pg_cron;

select cron.schedule('queue-sweep', '* * * * *', 'select queue.sweep()');
select cron.schedule('queue-mend-orchestrations', '* * * * *', 'select queue.mend_orchestrations()');
select cron.schedule('queue-count-on', '* * * * *', 'select queue.count_on()');
select cron.schedule('queue-reconcile', '17 * * * *', 'select queue.reconcile()');
select cron.schedule(
  'queue-purge-cron-history', '41 2 * * *',
  $$delete from cron.job_run_details where end_time < now() - interval '7 days'$$
);
