-- Users who were deleted, until the history has forgotten them, too. Everything else of theirs goes with their row.
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
