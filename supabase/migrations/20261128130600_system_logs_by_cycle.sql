-- What: an index over the cycles that orchestrators log.
-- Why: debug tools list them newest first.
-- Back out: drop index concurrently public.system_logs_by_cycle;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.system_logs');

create index concurrently if not exists system_logs_by_cycle on public.system_logs (cycle_number) where cycle_number is not null;
