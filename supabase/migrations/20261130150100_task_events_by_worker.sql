-- What: an index over the events of tasks that a worker gave back or failed.
-- Why: worker-health asks whether a worker has ever claimed, and only the history knows of work it gave back.
-- Back out: drop index concurrently public.task_events_by_worker;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.task_events');

create index concurrently if not exists task_events_by_worker on public.task_events (worker_id)
  where from_status = 'In Progress' and to_status in ('Queued', 'Failed');
