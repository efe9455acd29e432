-- What: an index over the cycles that orchestrators log.
-- Why: debug tools list them newest first.
-- Back out: drop index concurrently public.system_logs_by_cycle;

create index concurrently system_logs_by_cycle on public.system_logs (cycle_number) where cycle_number is not null;
