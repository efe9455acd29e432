-- What: an index over the age of workers.
-- Why: an orchestrator lists them newest first, twice in each cycle, and rows of ended machines stay.
-- Back out: drop index concurrently public.workers_by_age;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.workers');

create index concurrently if not exists workers_by_age on public.workers (created_at);
