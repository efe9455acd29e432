-- What: drops tasks_never_started.
-- Why: tasks_never_started_since has taken its place in every function.
-- Back out: create index concurrently tasks_never_started on public.tasks (created_at) where standing = 'ready' and attempts = 0;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

drop index concurrently if exists public.tasks_never_started;
