-- What: old tasks and generations belong to users and tasks that exist.
-- Why: a file of its own, because reading a million rows must not happen under the lock that adding the rule took.
-- Back out: nothing to do.

-- Nobody who reads or writes rows waits for this.
set lock_timeout = 0;
set statement_timeout = 0;

alter table public.tasks validate constraint tasks_belong_to_a_user;
alter table public.generations validate constraint generations_belong_to_a_user;
alter table public.generations validate constraint generations_come_from_a_task;
