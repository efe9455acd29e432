-- What: a table of deleted users, and a setting for how long the history tells of them.
-- Why: events with their ids and reasons stayed for ever.
-- Back out: drop table queue.deleted_users; alter table queue.settings drop column deleted_user_retention;

set lock_timeout = '900ms';

create table queue.deleted_users (
  user_id uuid not null,
  deleted_at timestamptz not null,
  constraint deleted_users_pkey primary key (user_id)
);

comment on table queue.deleted_users is
  'Users who were deleted and of whom public.task_events still tell, until queue.settings.deleted_user_retention has passed.';
comment on column queue.deleted_users.deleted_at is 'When the row of public.users was deleted, or when that was first noticed.';

alter table queue.deleted_users enable row level security;

revoke all on table queue.deleted_users from public, anon, authenticated, service_role;
grant select on table queue.deleted_users to service_role;

-- Those of whom the history tells already: one step in its index for each user it knows.
with recursive known (user_id) as (
  (select e.user_id from public.task_events as e where e.user_id is not null order by e.user_id limit 1)
  union all
  select (select e.user_id from public.task_events as e where e.user_id > k.user_id order by e.user_id limit 1)
  from known as k
  where k.user_id is not null
)
insert into queue.deleted_users (user_id, deleted_at)
select k.user_id, queue.now()
from known as k
where k.user_id is not null
  and not exists (select from public.users as u where u.id = k.user_id);

select queue.lock_tables('queue.settings');

alter table queue.settings
  add column deleted_user_retention interval not null default interval '30 days',
  add constraint settings_deleted_user_retention_is_not_negative check (deleted_user_retention >= interval '0');

comment on column queue.settings.deleted_user_retention is
  'How long the history tells of a user who was deleted; then it is deleted, too. Default 30 days.';
