-- What: drops tasks_ended_by_worker.
-- Why: tasks_by_worker holds the same rows in the same order.
-- Back out: create index concurrently tasks_ended_by_worker on public.tasks (worker_id, status, generation_processed_at)
--   where worker_id is not null and status in ('Complete', 'Failed', 'Cancelled');

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

drop index concurrently if exists public.tasks_ended_by_worker;
