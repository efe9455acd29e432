-- What: an index over live tasks of other pools that GPU machines of their owners run, in the order of the line.
-- Why: a claim or count with a token finds them without a look at anything else.
-- Back out: drop index concurrently public.tasks_on_own_gpu;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.tasks');

create index concurrently if not exists tasks_on_own_gpu
  on public.tasks (user_id, pool, standing, run_type, priority desc, created_at, id)
  where runs_on_own_gpu and standing is not null;
