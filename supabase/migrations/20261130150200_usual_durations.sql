-- What: how long each type's last tasks took (queue.type_durations); the settings overlong_factor and overlong_after.
-- Why: a start that runs much longer than its type's usual is flagged, also while its worker beats and repeats itself.
-- Back out: drop table queue.type_durations; alter table queue.settings drop column overlong_factor,
--   drop column overlong_after; the functions of before come with their own migration.

set lock_timeout = '900ms';

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

select queue.lock_tables('queue.settings');

alter table queue.settings
  add column overlong_factor numeric not null default 5,
  add column overlong_after interval not null default interval '2 hours',
  add constraint settings_overlong_limits_are_positive check (overlong_factor >= 1 and overlong_after > interval '0');

comment on column queue.settings.overlong_factor is
  'A start that runs for this many times what is usual for its type (and longer than quiet_task_limit) is flagged as overlong. Default 5.';
comment on column queue.settings.overlong_after is
  'The same for a type of which too few tasks have completed to say what is usual. Default 2 hours.';
