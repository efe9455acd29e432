-- What the sweep saw each minute, per pool: with it a count can tell a jump from growth.
create table queue.minute_samples (
  sampled_at timestamptz not null,
  pool text not null,
  claimable integer not null,
  arrivals integer not null,
  completions integer not null,
  last_event_id bigint not null,
  constraint minute_samples_pkey primary key (sampled_at, pool)
);

comment on table queue.minute_samples is 'One row per minute and pool, kept for a day.';
comment on column queue.minute_samples.claimable is 'Tasks that workers with the service key could claim.';
comment on column queue.minute_samples.arrivals is 'Tasks enqueued since the sample before.';
comment on column queue.minute_samples.completions is 'Tasks completed since the sample before.';
comment on column queue.minute_samples.last_event_id is 'The last event that was counted.';

alter table queue.minute_samples enable row level security;

revoke all on table queue.minute_samples from public, anon, authenticated, service_role;
grant select on table queue.minute_samples to service_role;
