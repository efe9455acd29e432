-- What is usual: how long the last tasks of each type ran. A start that runs much longer is worth a look.
create table queue.type_durations (
  task_type text not null,
  durations integer[] not null,
  usual interval not null,
  counted_at timestamptz not null,
  constraint type_durations_pkey primary key (task_type)
);

comment on table queue.type_durations is
  'Per type how long its last completed tasks ran, from claim to completion; brought up to date by the job count_on. Derived.';
comment on column queue.type_durations.durations is 'Seconds that each of the last 50 took, the newest last.';
comment on column queue.type_durations.usual is 'Nine of ten of them took no longer.';

alter table queue.type_durations enable row level security;

revoke all on table queue.type_durations from public, anon, authenticated, service_role;
grant select on table queue.type_durations to service_role;
