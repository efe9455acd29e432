-- What: claims with a token that name no worker (token-worker) are those of several machines.
-- Why: two machines of one token that name none must not get each other's tasks.
-- Back out: set queue.settings.shared_worker_ids and its default as they were.

set lock_timeout = '900ms';

select queue.lock_tables('queue.settings');

alter table queue.settings
  alter column shared_worker_ids set default array['gpu-20250723_221138-afa8403b', 'local-worker', 'token-worker'];

update queue.settings as s
set shared_worker_ids = s.shared_worker_ids || 'token-worker'::text
where 'token-worker' <> all (s.shared_worker_ids);

comment on column queue.settings.shared_worker_ids is
  'Worker ids that several processes send (workers started without a name; token-worker = a claim that names none): no per-worker limit, nothing is shared between them.';
