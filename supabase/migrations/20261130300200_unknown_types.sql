-- What: queue.unknown_types, which types without a row tasks were enqueued with.
-- Why: such a type counted as gpu work without a record, and nobody was told.
-- Back out: apply the functions of the files before this one again, then drop table queue.unknown_types.

set lock_timeout = '900ms';

create table queue.unknown_types (
  name text not null,
  task_count bigint not null,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  constraint unknown_types_pkey primary key (name)
);

comment on table queue.unknown_types is
  'Types without a row in public.task_types that tasks were enqueued with in the last 30 days; at most 1000. public.unknown_task_types() says what they were taken for.';
comment on column queue.unknown_types.task_count is 'How many were enqueued since first_seen_at.';
comment on column queue.unknown_types.first_seen_at is 'When the first one was enqueued.';
comment on column queue.unknown_types.last_seen_at is 'When the last one was enqueued.';

alter table queue.unknown_types enable row level security;

revoke all on table queue.unknown_types from public, anon, authenticated, service_role;
grant select on table queue.unknown_types to service_role;
