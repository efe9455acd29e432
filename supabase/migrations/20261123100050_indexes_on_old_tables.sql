-- What: the indexes of tasks, generations and logs that need no status.
-- Why: built beside the running work, before anything that a worker notices. A run that was cut can be run again.
-- Back out: drop index concurrently, each by its name.

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks', 'public.generations', 'public.system_logs');

-- The line a claim takes from: one user's ready tasks of one pool, in claim order.
create index concurrently if not exists tasks_line
  on public.tasks (user_id, pool, run_type, priority desc, created_at, id)
  where standing = 'ready';
-- The same by model, for workers that have one loaded.
create index concurrently if not exists tasks_line_by_model
  on public.tasks (user_id, pool, run_type, model, priority desc, created_at, id)
  where standing = 'ready';
-- Tasks that wait for a time, to be released when it has come.
create index concurrently if not exists tasks_not_yet on public.tasks (available_at) where standing = 'not_yet';
-- Ready tasks that were never started, to find those that have grown stale.
create index concurrently if not exists tasks_never_started on public.tasks (created_at)
  where standing = 'ready' and attempts = 0;
-- Queued tasks that wait for something other than a worker, by age: what the cleanup looks through.
create index concurrently if not exists tasks_set_aside on public.tasks (created_at)
  where standing in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'dependency_lost', 'stale');
create index concurrently if not exists tasks_by_project on public.tasks (project_id);
create index concurrently if not exists tasks_by_user on public.tasks (user_id, created_at);
create unique index concurrently if not exists tasks_idempotency_key_is_unique_per_user
  on public.tasks (user_id, idempotency_key)
  where idempotency_key is not null;
create unique index concurrently if not exists tasks_claim_id_is_used_once
  on public.tasks (worker_id, claim_id, coalesce(token_id, '00000000-0000-0000-0000-000000000000'))
  where claim_id is not null;

create unique index concurrently if not exists generations_are_one_per_task on public.generations (task_id);
create index concurrently if not exists generations_by_project on public.generations (project_id);
create index concurrently if not exists generations_by_user on public.generations (user_id);

create index concurrently if not exists system_logs_by_time on public.system_logs ("timestamp");
create index concurrently if not exists system_logs_by_worker on public.system_logs (worker_id, "timestamp");
create index concurrently if not exists system_logs_by_task on public.system_logs (task_id, "timestamp");
