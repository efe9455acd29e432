-- What: the indexes over the status of tasks.
-- Why: the status has its place now; built beside the running work. A run that was cut can be run again.
-- Back out: drop index concurrently, each by its name.
-- Written by `npm run migrations`, from supabase/schemas.

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select fairlane_core.drop_unfinished_indexes('public.tasks');

-- What a worker holds, and what runs.
create index concurrently if not exists tasks_running_by_worker on public.tasks (worker_id) where status = 'In Progress';
-- What a worker holds and has done: its last completion, what was cancelled under it.
create index concurrently if not exists tasks_by_worker on public.tasks (worker_id, status, generation_processed_at) where worker_id is not null;

-- The finished segments of a run. Partial, so that only a completion pays for it; cut, because a client may send any text.
create index concurrently if not exists tasks_segments_of_a_run on public.tasks (left(params ->> 'orchestrator_run_id', 128))
  where status = 'Complete' and task_type = 'travel_segment';
