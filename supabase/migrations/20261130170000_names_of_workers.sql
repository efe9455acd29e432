-- What: machines without a name share their default one; tasks of tokens that have ended are lost.
-- Why: workers that were started without a name all call themselves local-worker and must not get each other's tasks.
-- Back out: set queue.settings.shared_worker_ids and its default as they were.

set lock_timeout = '900ms';

select queue.lock_tables('queue.settings');

alter table queue.settings
  alter column shared_worker_ids set default array['gpu-20250723_221138-afa8403b', 'local-worker'];

update queue.settings as s
set shared_worker_ids = s.shared_worker_ids || 'local-worker'::text
where 'local-worker' <> all (s.shared_worker_ids);

comment on type queue.lost_task is
  'A running task to be put back: its present start (lease_token, reported_at), who held it, the cause (worker_ended, worker_silent, caller_silent, unassigned, timed_out, never_delivered, token_ended) and the same in words.';
