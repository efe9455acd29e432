-- What: an index over dependant_on.
-- Why: debug tools ask what waits for a task.
-- Back out: drop index concurrently public.tasks_by_dependency;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

create index concurrently if not exists tasks_by_dependency on public.tasks (dependant_on) where dependant_on is not null;
