-- What: an index for `params @> {...}`.
-- Why: deployed workers look for an orchestrator's children that way at each poll, and read the whole table for it (docs/adr/0014).
-- Back out: drop index concurrently public.tasks_by_params;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

create index concurrently if not exists tasks_by_params on public.tasks using gin (params jsonb_path_ops);
