-- What: drops tasks_ended_by_worker.
-- Why: tasks_by_worker holds the same rows in the same order.
-- Back out: create index concurrently tasks_ended_by_worker on public.tasks (worker_id, status, generation_processed_at)
--   where worker_id is not null and status in ('Complete', 'Failed', 'Cancelled');

drop index concurrently if exists public.tasks_ended_by_worker;
