-- What: an index over the age of tasks.
-- Why: debug tools list the newest tasks, with one filter or another.
-- Back out: drop index concurrently public.tasks_by_age;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

create index concurrently if not exists tasks_by_age on public.tasks (created_at);
