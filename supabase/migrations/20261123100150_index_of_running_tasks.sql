-- What: the index of what runs.
-- Why: the status has its place now; built beside the running work. A run that was cut can be run again.
-- Back out: drop index concurrently public.tasks_running_by_worker.

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

-- What a worker holds; what runs.
create index concurrently if not exists tasks_running_by_worker on public.tasks (worker_id) where status = 'In Progress';
