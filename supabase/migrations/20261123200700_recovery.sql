-- What: the limits of silence, how long things are kept, and a record of what each job did.
-- Why: work of dead workers goes back by itself, old rows go away by themselves, and a job that stops is noticed.
-- Back out: drop the columns, the table and the type named here.

set lock_timeout = '900ms';
select queue.lock_tables('queue.settings');

alter table queue.settings add column api_silence_limit interval not null default interval '7 minutes';
alter table queue.settings add column token_silence_limit interval not null default interval '60 minutes';
alter table queue.settings add column undelivered_limit interval not null default interval '15 minutes';
alter table queue.settings add column dependency_grace interval not null default interval '1 hour';
alter table queue.settings add column log_retention interval not null default interval '48 hours';
alter table queue.settings add column event_retention interval;
alter table queue.settings add column finished_task_retention interval;
alter table queue.settings add constraint settings_silence_limits_are_positive check (
  api_silence_limit > interval '0' and token_silence_limit > interval '0' and undelivered_limit > interval '0'
);
alter table queue.settings add constraint settings_retentions_are_positive check (
  dependency_grace > interval '0' and log_retention > interval '0' and event_retention > interval '0'
  and finished_task_retention > interval '0'
);

comment on column queue.settings.api_silence_limit is
  'An api worker that gave no sign (a call, a log, a beat) for this long loses its tasks. Default 7 minutes.';
comment on column queue.settings.token_silence_limit is
  'The same for users'' own machines, which never beat. Default 60 minutes.';
comment on column queue.settings.undelivered_limit is
  'A gpu task that no call or log has named for this long, while its worker beats, never reached it. Default 15 minutes.';
comment on column queue.settings.dependency_grace is
  'How long a task may wait for a task that has failed or does not exist before it is cancelled. Default 1 hour.';
comment on column queue.settings.log_retention is 'How long system_logs are kept. Default 48 hours.';
comment on column queue.settings.event_retention is 'How long task_events are kept; null = for ever. Default null.';
comment on column queue.settings.finished_task_retention is
  'How long finished tasks are kept after their last change; null = for ever. Default null.';

-- When each job of the queue last ran and what came of it. Watched by health and task_counts: a job that fails or does
-- not run is as bad as none.
create table queue.job_runs (
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

comment on table queue.job_runs is 'One row per job of pg_cron that belongs to the queue.';
comment on column queue.job_runs.period is 'How often it is to run; two periods without a run are late.';
comment on column queue.job_runs.scheduled_at is 'Since when it is to run.';
comment on column queue.job_runs.ran_at is 'When it last ran to its end.';
comment on column queue.job_runs.took is 'How long that took.';
comment on column queue.job_runs.result is 'What that run did.';
comment on column queue.job_runs.failed_at is 'When it last failed; earlier than ran_at = it has run since.';
comment on column queue.job_runs.error is 'Why it failed then.';
comment on column queue.job_runs.stood_in_at is 'When a claim last did its work, because it was late.';

alter table queue.job_runs enable row level security;

revoke all on table queue.job_runs from public, anon, authenticated, service_role;
grant select on table queue.job_runs to service_role;

-- A running task that nobody can be expected to finish.
create type queue.lost_task as (
  task_id uuid,
  lease_token uuid,
  reported_at timestamptz,
  worker_id text,
  cause text,
  reason text
);

comment on type queue.lost_task is
  'A running task to be put back: its present start (lease_token, reported_at), who held it, the cause (worker_ended, worker_silent, caller_silent, unassigned, timed_out, never_delivered) and the same in words.';
