-- What: an index over when a never-started task could first run.
-- Why: age counts from the latest of created_at, available_at and released_at.
-- Back out: drop index concurrently public.tasks_never_started_since;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

create index concurrently if not exists tasks_never_started_since
  on public.tasks (greatest(created_at, available_at, released_at))
  where standing = 'ready' and attempts = 0 and claimed_at is null;
