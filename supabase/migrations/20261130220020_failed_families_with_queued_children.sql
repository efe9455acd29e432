-- What: an index over failed orchestrators that have live children.
-- Why: where these fail with it, the job that mends families looks for those that were missed.
-- Back out: drop index concurrently queue.orchestrations_failed_with_open_children;

-- It waits for transactions that were there before; nobody waits for it.
set lock_timeout = 0;
set statement_timeout = 0;

select queue.drop_unfinished_indexes('queue.orchestrations');

create index concurrently if not exists orchestrations_failed_with_open_children on queue.orchestrations (orchestrator_id)
  where ended_as = 'Failed' and open_count > 0;
