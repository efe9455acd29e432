-- Machines that announced themselves. API workers and users' own machines may never appear here.
create table public.workers (
  id text not null,
  instance_type text not null default 'external',
  status text not null default 'inactive',
  last_heartbeat timestamptz,
  created_at timestamptz not null default now(),
  metadata jsonb not null default '{}',
  current_model text,
  reaped_at timestamptz,
  failed_at timestamptz,
  goodbye_at timestamptz,
  ended_at timestamptz,
  kept_at timestamptz,
  constraint workers_pkey primary key (id),
  constraint workers_metadata_is_an_object check (jsonb_typeof(metadata) = 'object')
);

-- Rows from before this rule are not asked again.
alter table public.workers
  add constraint workers_times_are_finite check (isfinite(last_heartbeat) and isfinite(created_at)) not valid;

-- The list of every orchestrator's cycle, newest first. A beat changes nothing in it.
create index workers_by_age on public.workers (created_at);

comment on table public.workers is 'Machines that announced themselves, by the id they send with every call.';
comment on column public.workers.status is
  'inactive, spawning, active, terminating, terminated, error or crashed; other values are stored as they come. terminating, terminated and error get no work.';
comment on column public.workers.last_heartbeat is 'Server time of the last beat. In no index: it changes every 20 seconds.';
comment on column public.workers.current_model is 'The model the worker has loaded.';
comment on column public.workers.metadata is 'What the orchestrator and the beats know of the machine; always an object.';
comment on column public.workers.reaped_at is
  'When the queue itself set the worker to error for its silence; null as soon as anybody else says the status. No API role writes it.';
comment on column public.workers.failed_at is
  'When the worker failed: it crashed, was silent or never beat when it was set aside, or ended with work in its hands. Decided once, when the status changes; null once it lives again. Written by a trigger.';
comment on column public.workers.goodbye_at is
  'When the worker said itself, with a last beat, that it ends; null once it beats or claims again, or anybody else says the status. No API role writes it.';
comment on column public.workers.ended_at is
  'Since when the worker is terminated, crashed or in error; null while it is not. Written by a trigger.';
comment on column public.workers.kept_at is
  'Since when public.keep_worker keeps this machine: while it beats, no orchestrator sets it aside. No API role writes it.';

alter table public.workers set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

alter table public.workers enable row level security;

revoke all on table public.workers from public, anon, authenticated, service_role;
grant select, delete on table public.workers to service_role;
-- All but reaped_at, failed_at, goodbye_at, ended_at and kept_at.
grant insert (id, instance_type, status, last_heartbeat, created_at, metadata, current_model),
  update (id, instance_type, status, last_heartbeat, created_at, metadata, current_model)
  on table public.workers to service_role;
