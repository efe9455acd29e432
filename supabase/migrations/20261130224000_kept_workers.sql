-- What: workers.kept_at.
-- Why: a machine that was started by hand and set aside by an orchestrator comes back by one command, and stays.
-- Back out: alter table public.workers drop column kept_at; the functions of before come with their own migration.

set lock_timeout = '900ms';

select queue.lock_tables('public.workers');

alter table public.workers add column kept_at timestamptz;

comment on column public.workers.kept_at is
  'Since when public.keep_worker keeps this machine: while it beats, no orchestrator sets it aside. No API role writes it.';
