-- What: the indexes of the August 2025 tables that need no status.
-- Why: built beside the running work, before anything that a worker notices. A run that was cut can be run again.
-- Back out: drop index concurrently, each by its name.
-- Written by `npm run migrations`, from supabase/schemas.

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select fairlane_core.drop_unfinished_indexes('public.generations');
select fairlane_core.drop_unfinished_indexes('public.projects');
select fairlane_core.drop_unfinished_indexes('public.system_logs');
select fairlane_core.drop_unfinished_indexes('public.tasks');
select fairlane_core.drop_unfinished_indexes('public.user_api_tokens');
select fairlane_core.drop_unfinished_indexes('public.workers');

create index concurrently if not exists projects_by_user on public.projects (user_id);

create index concurrently if not exists user_api_tokens_by_user on public.user_api_tokens (user_id);

-- For the list in every orchestrator's cycle, newest first. A heartbeat changes nothing in it.
create index concurrently if not exists workers_by_age on public.workers (created_at);

-- A user queue: one user's ready tasks of one pool, in claim order. Orchestration is separate: when its slots are
-- taken, the rest of the queue goes on.
create index concurrently if not exists tasks_ready on public.tasks (user_id, pool, run_type, takes_slot, priority desc, created_at, id)
  where readiness = 'ready';
-- The same by model, for workers that have one loaded.
create index concurrently if not exists tasks_ready_by_model on public.tasks (user_id, pool, run_type, model, takes_slot, priority desc, created_at, id)
  where readiness = 'ready';
-- Tasks that wait for a time and are released when it has come.
create index concurrently if not exists tasks_not_yet on public.tasks (available_at) where readiness = 'not_yet';
-- The same for one user, pool and run type, the most urgent first. A query that names no user cannot use it, so no plan
-- prefers it to the index above.
create index concurrently if not exists tasks_not_yet_by_owner on public.tasks (user_id, pool, run_type, priority desc, available_at)
  where readiness = 'not_yet' and user_id is not null;
-- Tasks of other pools that their owner's GPU machines run: live ones in claim order, and those that wait for a time.
-- Partial, so that nothing else pays for it.
create index concurrently if not exists tasks_on_own_gpu on public.tasks (user_id, pool, readiness, run_type, priority desc, created_at, id)
  where runs_on_own_gpu and readiness is not null;
create index concurrently if not exists tasks_on_own_gpu_not_yet on public.tasks (user_id, available_at, id)
  where runs_on_own_gpu and readiness = 'not_yet';
-- Ready tasks that were never started, by the time they could first run, to find stale ones.
create index concurrently if not exists tasks_never_started_since on public.tasks (greatest(created_at, available_at, released_at))
  where readiness = 'ready' and attempts = 0 and claimed_at is null;
-- Stale orchestration: how counts report it depends on whether its owner has an orchestration slot free, and the
-- counter of stale tasks does not distinguish the two kinds.
create index concurrently if not exists tasks_stale_orchestration on public.tasks (user_id, pool, run_type) where readiness = 'stale' and not takes_slot;
-- Queued tasks that wait for something other than a worker, by age: the cleanup reads them.
create index concurrently if not exists tasks_set_aside on public.tasks (created_at)
  where readiness in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'dependency_lost', 'stale');
-- An owner's live tasks of a type, to cancel them or derive them again. The type is cut because types older than the
-- bounds may be too long for an index.
create index concurrently if not exists tasks_live on public.tasks (user_id, left(task_type, 200), id) where readiness is not null;
create index concurrently if not exists tasks_by_project on public.tasks (project_id);
create index concurrently if not exists tasks_by_user on public.tasks (user_id, created_at);
-- The newest tasks, which the debug tools list.
create index concurrently if not exists tasks_by_age on public.tasks (created_at);
-- What waits for a task, by the column that deployed clients read.
create index concurrently if not exists tasks_by_dependency on public.tasks (dependant_on) where dependant_on is not null;
-- `params @> {...}`: workers look for an orchestrator's children with it at each poll (docs/adr/0014).
create index concurrently if not exists tasks_by_params on public.tasks using gin (params jsonb_path_ops);
create unique index concurrently if not exists tasks_idempotency_key_is_unique_per_user on public.tasks (user_id, idempotency_key)
  where idempotency_key is not null;
create unique index concurrently if not exists tasks_claim_id_is_used_once
  on public.tasks (worker_id, claim_id, coalesce(token_id, '00000000-0000-0000-0000-000000000000'))
  where claim_id is not null;

create index concurrently if not exists generations_by_project on public.generations (project_id);
create index concurrently if not exists generations_by_user on public.generations (user_id);
-- What occupies a position of a parent record, the newest last.
create index concurrently if not exists generations_by_parent on public.generations (parent_generation_id, child_order, created_at, id)
  where parent_generation_id is not null;

create index concurrently if not exists system_logs_by_time on public.system_logs ("timestamp");
create index concurrently if not exists system_logs_by_worker on public.system_logs (worker_id, "timestamp");
create index concurrently if not exists system_logs_by_task on public.system_logs (task_id, "timestamp");
-- The cycles of an orchestrator. Log lines of workers have none and pay nothing.
create index concurrently if not exists system_logs_by_cycle on public.system_logs (cycle_number) where cycle_number is not null;

create unique index concurrently if not exists generations_are_one_per_task on public.generations (task_id);
