-- The derived state of owners that claims and counts use: slots, user queues, blocked tasks by reason, held slots. All
-- of it can be counted again from the tasks (fairlane_core.recount).

-- One small row per user: what runs and what may run. Locking this row makes a user's limit exact: every claim for the
-- user, in any pool and by any kind of caller, takes it first. No check constraints here or on the other derived
-- tables: a counter that has drifted must be seen and repaired (fairlane_core.drift), not stop work; and every
-- statement parses a check again, which is noticeable on the hottest rows.
create table fairlane_core.user_slots (
  user_id uuid not null,
  running integer not null default 0,
  task_limit integer not null,
  has_credits boolean not null,
  cloud_on boolean not null,
  local_on boolean not null,
  settings_malformed boolean not null default false,
  -- The owner's half of the one rule, derived by fairlane_core.slots_of. Not generated columns: every statement that
  -- changes running would parse their expressions again. Whatever changes running also updates user_at_limit.
  cloud_reason text,
  local_reason text,
  orchestrating integer not null default 0,
  orchestration_limit integer not null default 0,
  remembered integer not null default 0,
  constraint user_slots_pkey primary key (user_id),
  constraint user_slots_belong_to_a_user foreign key (user_id) references fairlane.owners (id) on delete cascade
);

comment on table fairlane_core.user_slots is
  'Per user: tasks In Progress that take a slot, and a copy of what the user row allows. Updated in the transaction of each change; derived, so fairlane_core.reconcile can rebuild it.';
comment on column fairlane_core.user_slots.running is 'Tasks In Progress that take a slot (orchestration takes none), and slots that fairlane_core.held_slots keeps.';
comment on column fairlane_core.user_slots.orchestrating is
  'The same for orchestration tasks, which take slots of their own: those that still need a worker.';
comment on column fairlane_core.user_slots.orchestration_limit is 'How many of these there may be.';
comment on column fairlane_core.user_slots.remembered is
  'Attempts that somebody other than their holders ended, whose holders have let go since: they count for the turn for turn_memory.';
comment on column fairlane_core.user_slots.cloud_reason is 'Why the fleet may run none of the user''s tasks now; null = it may.';
comment on column fairlane_core.user_slots.local_reason is 'Why the user''s own machines may run none of them now; null = they may.';
comment on column fairlane_core.user_slots.settings_malformed is 'A switch in users.settings is not a boolean and is read as on.';

alter table fairlane_core.user_slots set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table fairlane_core.user_slots enable row level security;

-- One small row per user and pool with live work: how much is ready, how much is running, and whose turn it is. A claim
-- scans the open user queues through one index and never reads a closed one.
create table fairlane_core.user_queues (
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
  last_served_at timestamptz not null,
  task_limit integer not null default 0,
  closed_by text,
  turn_load integer not null default 0,
  orchestration_room integer not null default 0,
  constraint user_queues_pkey primary key (user_id, pool),
  constraint user_queues_belong_to_a_user foreign key (user_id) references fairlane.owners (id) on delete cascade
);

-- Whose turn it is: fewest attempts first (running, orchestrating, recently ended by others), then who has waited
-- longest since the last turn. Not deduplicated: queues opened by one statement have the same last_served_at, and an
-- entry shared by many could be marked dead only when all of them are.
create index user_queues_turns on fairlane_core.user_queues (pool, turn_load, last_served_at) with (deduplicate_items = off)
  where is_open;

comment on table fairlane_core.user_queues is
  'Per user and pool: counts of ready and running tasks, and the user''s place in turn. Updated in the transaction of each change; derived, so fairlane_core.reconcile can rebuild it.';
comment on column fairlane_core.user_queues.ready_cloud is 'Ready tasks with run_type cloud that take a slot; the next three columns likewise.';
comment on column fairlane_core.user_queues.active_cloud is 'Tasks In Progress held with the service key that take a slot; active_local: held with a personal token.';
comment on column fairlane_core.user_queues.running is 'Copy of user_slots.running.';
comment on column fairlane_core.user_queues.is_open is 'A worker with the service key could take a task from this queue now.';
comment on column fairlane_core.user_queues.last_served_at is 'When the user was last served in this pool, or when the queue began to fill, whichever is later.';
comment on column fairlane_core.user_queues.task_limit is 'Copy of user_slots.task_limit, so that counting reads only this table.';
comment on column fairlane_core.user_queues.closed_by is
  'no_credits or cloud_disabled, as in user_slots.cloud_reason; null = only the limit can block the queue. A copy, as above.';

comment on column fairlane_core.user_queues.turn_load is
  'user_slots.running + orchestrating + remembered: the user with the fewest is served first.';
comment on column fairlane_core.user_queues.orchestration_room is
  'How many more orchestration tasks the owner may start: user_slots.orchestration_limit less orchestrating, at least 0.';

alter table fairlane_core.user_queues set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table fairlane_core.user_queues enable row level security;

-- How many queued tasks wait, per owner, pool and reason, so that counting them costs the same however many there are.
create table fairlane_core.blocked_tasks (
  user_id uuid not null,
  pool text not null,
  reason text not null,
  is_cloud boolean not null,
  task_count integer not null,
  constraint blocked_tasks_pkey primary key (user_id, pool, reason, is_cloud)
);

-- Whose tasks wait for a time: when many are due, claims check these owners.
create index blocked_tasks_not_yet on fairlane_core.blocked_tasks (pool, user_id) where reason = 'not_yet' and is_cloud;

comment on table fairlane_core.blocked_tasks is
  'Counts of queued tasks that are not ready, per owner, pool and reason. Derived, updated in the transaction of each change.';
comment on column fairlane_core.blocked_tasks.user_id is 'The owner; 00000000-0000-0000-0000-000000000000 for tasks without one.';
comment on column fairlane_core.blocked_tasks.is_cloud is 'False for run_type local.';

alter table fairlane_core.blocked_tasks set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table fairlane_core.blocked_tasks enable row level security;

-- Attempts that somebody other than their holder ended, by cancelling, completing or deleting the task, for as long as
-- they count. A machine may still be working on each: until it lets go its slot is not free, and afterwards the attempt
-- counts towards its owner's turn for a while. So cancelling all day gives nobody more machines or more turns.
create table fairlane_core.held_slots (
  id bigint generated always as identity,
  task_id uuid not null,
  user_id uuid not null,
  pool text not null,
  takes_slot boolean not null,
  worker_id text not null,
  token_id uuid,
  lease_token uuid,
  attempt integer not null,
  billed_from timestamptz,
  held_since timestamptz not null,
  held_until timestamptz not null,
  let_go_at timestamptz,
  constraint held_slots_pkey primary key (id),
  constraint held_slots_belong_to_a_user foreign key (user_id) references fairlane.owners (id) on delete cascade
);

create index held_slots_by_task on fairlane_core.held_slots (task_id);
create index held_slots_by_user on fairlane_core.held_slots (user_id);
create index held_slots_by_worker on fairlane_core.held_slots (worker_id) where let_go_at is null;
create index held_slots_by_end on fairlane_core.held_slots (held_until);

comment on table fairlane_core.held_slots is
  'Attempts that somebody other than their holder ended: they keep their slot until the holder lets go, and count for the turn until held_until.';
comment on column fairlane_core.held_slots.task_id is 'The task, which may have been deleted.';
comment on column fairlane_core.held_slots.takes_slot is 'False: it holds one of its owner''s orchestration slots.';
comment on column fairlane_core.held_slots.worker_id is 'Who held the task, with the token in token_id (null = the service key).';
comment on column fairlane_core.held_slots.billed_from is
  'When billing began for an attempt that the owner ended while the fleet ran it; null = nothing is left to be billed.';
comment on column fairlane_core.held_slots.held_until is 'After this it holds and counts for nothing.';
comment on column fairlane_core.held_slots.let_go_at is 'When the holder let go: it claimed again, reported, ended or fell silent; null = not yet.';

alter table fairlane_core.held_slots enable row level security;

-- How one statement changed one counter of the derived state.
create type fairlane_core.counter_delta as (
  user_id uuid,
  pool text,
  is_cloud boolean,
  takes_slot boolean,
  readiness text,
  delta integer
);

comment on type fairlane_core.counter_delta is
  'How one statement changed the number of an owner''s tasks with the same pool, kind and readiness.';

-- What one user has in the queue, as seen by a caller.
create type fairlane_core.user_load_row as (
  user_id uuid,
  reason text,
  ready integer,
  claimable integer,
  active integer,
  active_orchestration integer,
  active_elsewhere integer,
  running integer,
  task_limit integer,
  last_served_at timestamptz
);

comment on type fairlane_core.user_load_row is
  'What one user has in the queue: why none of it may run now (null = may), ready tasks, tasks claimable one after another, active ones (elsewhere: on the user''s own machines), slots in use, the limit, since when the user waits for a turn.';

-- The totals of the queue as seen by a caller.
create type fairlane_core.load_summary as (
  claimable integer,
  owners integer,
  users integer,
  active integer,
  active_orchestration integer,
  active_elsewhere integer,
  user_at_limit integer,
  no_credits integer,
  cloud_disabled integer,
  local_disabled integer,
  apart fairlane_core.user_load_row[],
  overtaken fairlane_core.counter_delta[],
  pool_paused integer
);

comment on type fairlane_core.load_summary is
  'Sums over users: tasks claimable one after another, owners of such tasks, users with live work, active tasks as in user_load_row, ready tasks blocked by each reason of an owner; the users that had to be read one by one; what only time has changed since tasks were written; ready tasks of pools that are paused.';
