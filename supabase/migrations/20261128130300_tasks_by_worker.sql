-- What: an index over all that a worker holds or has done, which takes the place of tasks_ended_by_worker.
-- Why: debug tools list the tasks of a worker; what it holds is found also by a plan that does not know the status.
-- Back out: drop index concurrently public.tasks_by_worker;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

create index concurrently if not exists tasks_by_worker on public.tasks (worker_id, status, generation_processed_at) where worker_id is not null;
