-- What: an index of the finished segments by the run they belong to.
-- Why: workers ask for the segments of a run again and again until the last one is there. Built beside the running
-- work; a run that was cut can be run again.
-- Back out: drop index concurrently public.tasks_segments_of_a_run.

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

-- The finished segments of a run. Partial, so that only a completion pays for it; cut, because a client may send any text.
create index concurrently if not exists tasks_segments_of_a_run
  on public.tasks (left(params ->> 'orchestrator_run_id', 128))
  where status = 'Complete' and task_type = 'travel_segment';
