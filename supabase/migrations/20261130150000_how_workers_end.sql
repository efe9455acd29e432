-- What: workers.goodbye_at and workers.ended_at; the setting worker_retention.
-- Why: a worker that ends itself is told from one that somebody ended: it may come back, has not failed, and hands its
-- work back. Rows of workers that ended long ago go.
-- Back out: alter table public.workers drop column goodbye_at, drop column ended_at;
--   alter table queue.settings drop column worker_retention; the functions of before come with their own migration.

set lock_timeout = '900ms';

select queue.lock_tables('public.workers', 'queue.settings');

alter table public.workers add column goodbye_at timestamptz, add column ended_at timestamptz;

comment on column public.workers.failed_at is
  'When the worker failed: it crashed, was silent or never beat when it was set aside, or ended with work in its hands. Decided once, when the status changes; null once it lives again. Written by a trigger.';
comment on column public.workers.goodbye_at is
  'When the worker said itself, with a last beat, that it ends; null once it beats or claims again, or anybody else says the status. No API role writes it.';
comment on column public.workers.ended_at is
  'Since when the worker is terminated, crashed or in error; null while it is not. Written by a trigger.';

-- When they ended is not known: their time begins now.
update public.workers as w set ended_at = queue.now() where w.status in ('terminated', 'error', 'crashed');

alter table queue.settings
  add column worker_retention interval default interval '30 days',
  add constraint settings_worker_retention_is_positive check (worker_retention > interval '0');

comment on column queue.settings.worker_retention is
  'How long rows of workers are kept after they ended and fell silent; null = for ever. Default 30 days.';
