-- What: an index of the finished segments by the run they belong to.
-- Why: workers ask for the segments of a run again and again until the last one is there.
-- Back out: drop the index named here.

set lock_timeout = '5s';

-- The finished segments of a run. Partial, so that only a completion pays for it; cut, because a client may send any text.
create index tasks_segments_of_a_run on public.tasks (left(params ->> 'orchestrator_run_id', 128))
  where status = 'Complete' and task_type = 'travel_segment';
