-- What: an index over the age of workers.
-- Why: an orchestrator lists them newest first, twice in each cycle, and rows of ended machines stay.
-- Back out: drop index concurrently public.workers_by_age;

create index concurrently workers_by_age on public.workers (created_at);
