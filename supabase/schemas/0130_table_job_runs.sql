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
