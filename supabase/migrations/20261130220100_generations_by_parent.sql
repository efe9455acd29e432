-- What: an index over result records by their parent and their place in it.
-- Why: a segment that is made once more builds on the record at the place before it (get-predecessor-output).
-- Back out: drop index concurrently public.generations_by_parent;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('public.generations');

create index concurrently if not exists generations_by_parent
  on public.generations (parent_generation_id, child_order, created_at, id)
  where parent_generation_id is not null;
