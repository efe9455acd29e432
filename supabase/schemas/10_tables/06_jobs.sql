-- What runs in the background: jobs, the clock they watch, deferred work, and what they record.

-- When each job of the queue last ran, and with what outcome. health and task_counts read it: a job that fails or does
-- not run must be noticed.
create table fairlane_core.job_runs (
  job text not null,
  period interval not null,
  scheduled_at timestamptz not null default now(),
  ran_at timestamptz,
  took interval,
  result jsonb,
  failed_at timestamptz,
  error text,
  stood_in_at timestamptz,
  constraint job_runs_pkey primary key (job)
);

comment on table fairlane_core.job_runs is 'One row per pg_cron job of the queue.';
comment on column fairlane_core.job_runs.period is 'How often it should run; two periods without a run are late.';
comment on column fairlane_core.job_runs.scheduled_at is 'Since when it is scheduled.';
comment on column fairlane_core.job_runs.ran_at is 'When it last finished.';
comment on column fairlane_core.job_runs.took is 'How long that took.';
comment on column fairlane_core.job_runs.result is 'What that run did.';
comment on column fairlane_core.job_runs.failed_at is 'When it last failed; earlier than ran_at = it has run since.';
comment on column fairlane_core.job_runs.error is 'Why it failed then.';
comment on column fairlane_core.job_runs.stood_in_at is 'When a claim last did its work, because it was late.';

alter table fairlane_core.job_runs enable row level security;

-- What the queue has observed of the database's clock. Written by each rescue (fairlane_core.watch_clock).
create table fairlane_core.clock_watch (
  is_only_row boolean not null default true,
  looked_at timestamptz,
  is_steady boolean not null default false,
  trusted_since timestamptz not null default '-infinity',
  set_back_at timestamptz,
  set_back_until timestamptz,
  away_after interval not null default interval '1 hour',
  away_until timestamptz,
  away_for interval not null default interval '0',
  timeline text,
  constraint clock_watch_pkey primary key (is_only_row),
  constraint clock_watch_has_one_row check (is_only_row)
);

comment on table fairlane_core.clock_watch is 'Since when measured silences can be trusted; exactly one row.';
comment on column fairlane_core.clock_watch.is_only_row is 'Always true: the key that keeps this table at one row.';
comment on column fairlane_core.clock_watch.looked_at is 'The machine''s own time at the last observation, without fairlane_core.settings.clock_offset.';
comment on column fairlane_core.clock_watch.is_steady is 'Whether the last observation came in time, and a full gpu_heartbeat_timeout has been measured since the last gap.';
comment on column fairlane_core.clock_watch.trusted_since is
  'The first observation after a gap: silences and runs are measured from here at the earliest. -infinity = there was no gap.';
comment on column fairlane_core.clock_watch.set_back_at is 'The first observation after the clock was last set back; null = it never was.';
comment on column fairlane_core.clock_watch.set_back_until is 'What the clock showed before that: until it shows this again, rows contain future times.';
comment on column fairlane_core.clock_watch.away_after is 'A gap between two observations that is longer than this counts as an outage.';
comment on column fairlane_core.clock_watch.away_until is 'The end of the last outage; null = there was none. Work does not age during one (fairlane_core.stale_before).';
comment on column fairlane_core.clock_watch.away_for is 'How long that outage was, plus earlier ones that ended less than stale_after ago.';
comment on column fairlane_core.clock_watch.timeline is 'The timeline of the server at the last observation. If it changes, a standby was promoted, which counts as a start of the database.';

alter table fairlane_core.clock_watch enable row level security;

insert into fairlane_core.clock_watch (is_only_row) values (true);

-- What a change has left to do because more depends on its row than one transaction should touch. Written in that
-- transaction, so nothing is lost; processed piece by piece afterwards (fairlane_core.settle_deferred), so nothing
-- waits for it.
create table fairlane_core.deferred_work (
  id bigint generated always as identity,
  kind text not null,
  task_id uuid,
  user_id uuid,
  status text,
  root_id uuid,
  reason text,
  task_type text,
  after_id uuid,
  only_id uuid,
  since timestamptz not null,
  deleted_id uuid,
  constraint deferred_work_pkey primary key (id)
);

create index deferred_work_by_task on fairlane_core.deferred_work (task_id) where task_id is not null;
create index deferred_work_by_type on fairlane_core.deferred_work (task_type) where task_type is not null;
create index deferred_work_by_deletion on fairlane_core.deferred_work (deleted_id) where deleted_id is not null;

comment on table fairlane_core.deferred_work is
  'What changes have left to do: one row per task, type, setting, user or project on which more depends than one transaction may touch.';
comment on column fairlane_core.deferred_work.kind is
  'dependents: check the dependents of task_id again. lost: end them because of root_id. children: cancel the open children of task_id. siblings: fail its queued children because of root_id. type: derive live tasks of task_type again. limits: give users without a limit of their own the default one. stale: release tasks that are no longer stale. user, project: delete deleted_id with all its rows.';
comment on column fairlane_core.deferred_work.user_id is 'The owner of task_id and of all tasks concerned.';
comment on column fairlane_core.deferred_work.status is 'How task_id ended: Complete, Failed, Cancelled or deleted; for lost, how root_id did.';
comment on column fairlane_core.deferred_work.root_id is 'The task whose end is the cause, at the head of a chain.';
comment on column fairlane_core.deferred_work.reason is 'Why it ended so; for a deletion, who deleted it.';
comment on column fairlane_core.deferred_work.after_id is 'Progress: all up to this id are done.';
comment on column fairlane_core.deferred_work.only_id is 'Only this one is left: somebody held it when it was reached.';
comment on column fairlane_core.deferred_work.since is 'Since when it is due.';
comment on column fairlane_core.deferred_work.deleted_id is 'The user or project that was deleted; the row itself is deleted last.';

alter table fairlane_core.deferred_work set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table fairlane_core.deferred_work enable row level security;

-- Types of enqueued tasks without a row in fairlane.task_types. Written by the sweep, at most once a minute per type,
-- so that enqueuing pays nothing for it.
create table fairlane_core.unknown_types (
  name text not null,
  task_count bigint not null,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  constraint unknown_types_pkey primary key (name)
);

comment on table fairlane_core.unknown_types is
  'Types without a row in fairlane.task_types that tasks were enqueued with in the last 30 days; at most 1000. fairlane.unknown_task_types() says what they count as.';
comment on column fairlane_core.unknown_types.task_count is 'How many were enqueued since first_seen_at.';
comment on column fairlane_core.unknown_types.first_seen_at is 'When the first one was enqueued.';
comment on column fairlane_core.unknown_types.last_seen_at is 'When the last one was enqueued.';

alter table fairlane_core.unknown_types enable row level security;

-- Fields that clients send and the queue does not use. Without this, a client that believes it is understood would be
-- noticed only by its results.
create table fairlane_core.unused_fields (
  endpoint text not null,
  field text not null,
  calls bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  constraint unused_fields_pkey primary key (endpoint, field),
  constraint unused_fields_are_short check (length(endpoint) <= 63 and length(field) <= 63)
);

comment on table fairlane_core.unused_fields is
  'Fields of requests that this queue does not use, by endpoint: how often and when they came. At most 500 rows, kept for 30 days after the last call; fairlane_core.health reports those of the last week.';

alter table fairlane_core.unused_fields enable row level security;

-- A running task that nobody can be expected to finish.
create type fairlane_core.lost_task as (
  task_id uuid,
  lease_token uuid,
  reported_at timestamptz,
  worker_id text,
  cause text,
  reason text
);

comment on type fairlane_core.lost_task is
  'A running task to be requeued: its current attempt (lease_token, reported_at), its holder, the cause (worker_ended, terminated or crashed as a machine said, worker_silent, caller_silent, unassigned, unnamed, timed_out, never_delivered, failure_told, token_ended, enqueued_nothing, left_behind) and the reason as text.';

-- A run of a job that works in batches, between two of them.
create type fairlane_core.batch_run as (
  job text,
  due uuid[],
  done_count integer,
  result jsonb,
  started_at timestamptz,
  pause interval,
  is_over boolean
);

comment on type fairlane_core.batch_run is
  'A run of cleanup, purge, reconcile, rescue or settle: the tasks or owners that were due when it began, how many of them are done, the result so far, and how long to pause now.';
