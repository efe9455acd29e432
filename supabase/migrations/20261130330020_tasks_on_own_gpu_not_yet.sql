-- What: an index over the same tasks that wait for a time.
-- Why: a claim or count with a token finds those that are due.
-- Back out: drop index concurrently public.tasks_on_own_gpu_not_yet;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

create index concurrently if not exists tasks_on_own_gpu_not_yet
  on public.tasks (user_id, available_at)
  where runs_on_own_gpu and standing = 'not_yet';
