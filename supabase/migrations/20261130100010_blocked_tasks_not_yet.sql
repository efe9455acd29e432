-- What: an index over the owners whose tasks wait for a time.
-- Why: when many tasks are due at once, claims ask these owners and nobody else's rows.
-- Back out: drop index concurrently queue.blocked_tasks_not_yet;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('queue.blocked_tasks');

create index concurrently if not exists blocked_tasks_not_yet
  on queue.blocked_tasks (pool, user_id) where reason = 'not_yet' and is_cloud;
