-- What: an index over the tasks of one owner that wait for a time, the most urgent first.
-- Why: when ten thousand are due at once, a claim takes the right ones without looking at the others.
-- Back out: drop index concurrently public.tasks_not_yet_line;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

create index concurrently if not exists tasks_not_yet_line
  on public.tasks (user_id, pool, run_type, priority desc, available_at)
  where standing = 'not_yet' and user_id is not null;
