-- One small row per user and pool with live work: how much is ready, how much is running, and whose
-- turn it is. A claim walks the open lines through one index and never looks at a closed one.
create table queue.user_lines (
  user_id uuid not null,
  pool text not null,
  ready_cloud integer not null default 0,
  ready_cloud_orchestration integer not null default 0,
  ready_local integer not null default 0,
  ready_local_orchestration integer not null default 0,
  active_cloud integer not null default 0,
  active_cloud_orchestration integer not null default 0,
  active_local integer not null default 0,
  active_local_orchestration integer not null default 0,
  running integer not null default 0,
  is_open boolean not null default false,
  turn_at timestamptz not null,
  task_limit integer not null default 0,
  closed_by text,
  turn_load integer not null default 0,
  orchestration_room integer not null default 0,
  constraint user_lines_pkey primary key (user_id, pool),
  constraint user_lines_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
);

-- Whose turn it is: fewest starts first (running, orchestrating, just ended by others), then who has waited longest since the last turn. Lines that were opened by one
-- statement have the same turn_at; an entry for many of them could only be marked dead when all of them are.
create index user_lines_turns on queue.user_lines (pool, turn_load, turn_at) with (deduplicate_items = off)
  where is_open;

comment on table queue.user_lines is
  'Per user and pool: counts of ready and running tasks, and the place in the turn of users. Kept in the transaction of each change; derived, so queue.reconcile can rebuild it.';
comment on column queue.user_lines.ready_cloud is 'Ready tasks with run_type cloud that take a slot; the next three columns likewise.';
comment on column queue.user_lines.active_cloud is 'Tasks In Progress held with the service key that take a slot; active_local: held with a personal token.';
comment on column queue.user_lines.running is 'Copy of user_slots.running.';
comment on column queue.user_lines.is_open is 'A worker with the service key could take a task from this line now.';
comment on column queue.user_lines.turn_at is 'When the user was last served in this pool, or when the line began to fill, whichever is later.';
comment on column queue.user_lines.task_limit is 'Copy of user_slots.task_limit, so that counting reads the lines alone.';
comment on column queue.user_lines.closed_by is
  'no_credits or cloud_disabled, as in user_slots.cloud_reason; null = nothing but the limit can hold the line back. A copy, as above.';

comment on column queue.user_lines.turn_load is
  'user_slots.running, orchestrating and remembered together: who has the fewest is served first.';
comment on column queue.user_lines.orchestration_room is
  'How many more orchestration tasks the owner may start: user_slots.orchestration_limit less orchestrating, at least 0.';

alter table queue.user_lines set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table queue.user_lines enable row level security;

revoke all on table queue.user_lines from public, anon, authenticated, service_role;
grant select on table queue.user_lines to service_role;
