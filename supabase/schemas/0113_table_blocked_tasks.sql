-- How many queued tasks wait, per owner, pool and reason of their own, so that counting them costs the same
-- however many there are.
create table queue.blocked_tasks (
  user_id uuid not null,
  pool text not null,
  reason text not null,
  is_cloud boolean not null,
  task_count integer not null,
  constraint blocked_tasks_pkey primary key (user_id, pool, reason, is_cloud)
);

-- Whose tasks wait for a time: when many are due, claims ask these owners.
create index blocked_tasks_not_yet on queue.blocked_tasks (pool, user_id) where reason = 'not_yet' and is_cloud;

comment on table queue.blocked_tasks is
  'Counts of queued tasks that are not ready, per owner, pool and reason. Derived, kept in the transaction of each change.';
comment on column queue.blocked_tasks.user_id is 'The owner; 00000000-0000-0000-0000-000000000000 for tasks without one.';
comment on column queue.blocked_tasks.is_cloud is 'False for run_type local.';

alter table queue.blocked_tasks set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table queue.blocked_tasks enable row level security;

revoke all on table queue.blocked_tasks from public, anon, authenticated, service_role;
grant select on table queue.blocked_tasks to service_role;
