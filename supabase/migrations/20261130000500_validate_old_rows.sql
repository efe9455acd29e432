-- What: the old rows are complete, and belong to users who exist.
-- Why: a file of its own, because reading a million rows must not happen under the lock that adding the rules took.
-- Back out: nothing to do.

-- Nobody who reads or writes rows waits for this.
set lock_timeout = 0;
set statement_timeout = 0;

alter table public.tasks validate constraint tasks_are_complete;
alter table public.tasks validate constraint tasks_belong_to_a_user;
alter table public.users validate constraint users_max_in_progress_is_not_negative;
alter table public.users validate constraint users_max_orchestrating_is_not_negative;
alter table public.generations validate constraint generations_belong_to_a_user;
alter table public.generations validate constraint generations_come_from_a_task;
-- The planner's statistics are outdated after these writes.
analyze public.tasks;
