-- What: what beats and the health of workers need: reaped_at and failed_at, four settings, refused claims, totals of
-- ended tasks.
-- Why: a beat takes back what the reaper said, and nothing that anybody else did; a worker is told what was cancelled
-- under it, and an orchestrator asks for a worker's last completion, both without reading a million finished tasks.
-- Back out: drop the tables and columns named here; grant insert and update on public.workers to service_role.

set lock_timeout = '900ms';
select queue.lock_tables('public.workers', 'queue.settings');

alter table queue.settings add column max_logs_per_call integer not null default 1000;
alter table queue.settings
  add constraint settings_max_logs_per_call_is_positive check (max_logs_per_call > 0);

comment on column queue.settings.max_logs_per_call is
  'How many log lines one beat or batch may bring; what is beyond is counted as an error. Default 1000.';

alter table queue.settings add column worker_start_limit interval not null default interval '10 minutes';
alter table queue.settings add column quiet_task_limit interval not null default interval '20 minutes';
alter table queue.settings add column max_failure_rate numeric not null default 0.5;
alter table queue.settings
  add constraint settings_worker_start_limit_is_positive check (worker_start_limit > interval '0'),
  add constraint settings_quiet_task_limit_is_positive check (quiet_task_limit > interval '0'),
  add constraint settings_max_failure_rate_is_a_share check (max_failure_rate between 0 and 1);

comment on column queue.settings.worker_start_limit is
  'A worker that has not sent its first beat counts as starting for this long. Default 10 minutes.';
comment on column queue.settings.quiet_task_limit is
  'A running task that no call and no log has named for this long is flagged as stuck, whatever its worker''s beats say. Default 20 minutes.';
comment on column queue.settings.max_failure_rate is
  'When this share of the workers has failed within the window (three at least), worker-health advises against renting more. Default 0.5.';

alter table public.workers add column reaped_at timestamptz;
alter table public.workers add column failed_at timestamptz;

comment on column public.workers.reaped_at is
  'When the queue itself set the worker to error for its silence; null as soon as anybody else says the status. No API role writes it.';
comment on column public.workers.failed_at is
  'When the worker went into error or crashed, or was terminated for a reason or while it held work; kept when it is terminated afterwards, null once it lives again. Written by a trigger.';

-- All but reaped_at and failed_at.
revoke insert, update on table public.workers from service_role;
grant insert (id, instance_type, status, last_heartbeat, created_at, metadata, current_model),
  update (id, instance_type, status, last_heartbeat, created_at, metadata, current_model)
  on table public.workers to service_role;

-- Workers whose claims were refused because of what their row says. A refusal itself rolls back, so it is noted by a
-- second call, at most once a minute and worker.
create table queue.claim_refusals (
  worker_id text not null,
  status text not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  constraint claim_refusals_pkey primary key (worker_id)
);

comment on table queue.claim_refusals is 'Per worker, claims refused with WORKER_NOT_ELIGIBLE; kept for a week.';
comment on column queue.claim_refusals.status is 'The worker''s status at the last one.';
comment on column queue.claim_refusals.first_at is 'When its claims began to be refused.';
comment on column queue.claim_refusals.last_at is 'The last one noted; exact to a minute.';

alter table queue.claim_refusals enable row level security;

revoke all on table queue.claim_refusals from public, anon, authenticated, service_role;
grant select on table queue.claim_refusals to service_role;

-- How many tasks have ended, without counting a million rows: the history is counted on, a piece a minute. No task
-- writes here, so no two of them wait for each other.
create table queue.status_totals (
  status text not null,
  task_count bigint not null,
  last_event_id bigint not null,
  constraint status_totals_pkey primary key (status)
);

comment on table queue.status_totals is 'Tasks per final status, as of an event.';
comment on column queue.status_totals.last_event_id is 'The last event that was counted; later ones are counted when somebody asks.';

alter table queue.status_totals enable row level security;

revoke all on table queue.status_totals from public, anon, authenticated, service_role;
grant select on table queue.status_totals to service_role;
