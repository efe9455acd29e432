-- What: the index of what each worker has ended.
-- Why: an orchestrator asks for a worker's last completion, and a beat for what was cancelled under its worker; built
-- beside the running work. A run that was cut can be run again.
-- Back out: drop index concurrently public.tasks_ended_by_worker.

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

create index concurrently if not exists tasks_ended_by_worker
  on public.tasks (worker_id, status, generation_processed_at)
  where worker_id is not null and status in ('Complete', 'Failed', 'Cancelled');
