-- What: queue.unused_fields, for what clients send and the queue does not use.
-- Why: a field that is dropped without a word is noticed by wrong results alone.
-- Back out: drop table queue.unused_fields.
set lock_timeout = '900ms';

-- What clients send and the queue does not use: a program that takes itself to be understood, and is not, would be
-- noticed by its results alone.
create table queue.unused_fields (
  endpoint text not null,
  field text not null,
  calls bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  constraint unused_fields_pkey primary key (endpoint, field),
  constraint unused_fields_are_short check (length(endpoint) <= 63 and length(field) <= 63)
);

comment on table queue.unused_fields is
  'Fields of requests that this queue does not use, by endpoint: how often and when they came. At most 500 rows, kept for 30 days after the last call; queue.health tells of those of the last week.';

alter table queue.unused_fields enable row level security;

revoke all on table queue.unused_fields from public, anon, authenticated, service_role;
grant select on table queue.unused_fields to service_role;
