-- One small row per user: what runs and what may. Locking this row is what makes a user's limit exact:
-- every claim for the user, in any pool and by any kind of caller, takes it first. No checks here and on the other
-- derived tables: a counter that has drifted must be seen and mended (queue.drift), not stop work; and a check is parsed
-- anew by every statement, which is felt on the hottest rows there are.
create table queue.user_slots (
  user_id uuid not null,
  running integer not null default 0,
  task_limit integer not null,
  has_credits boolean not null,
  cloud_on boolean not null,
  local_on boolean not null,
  settings_malformed boolean not null default false,
  -- The owner's half of the one rule; queue.slots_of derives it. Not generated columns: every statement that moves
  -- running would parse their expressions anew. Who moves running, moves user_at_limit.
  cloud_reason text,
  local_reason text,
  orchestrating integer not null default 0,
  orchestration_limit integer not null default 0,
  remembered integer not null default 0,
  constraint user_slots_pkey primary key (user_id),
  constraint user_slots_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
);

comment on table queue.user_slots is
  'Per user: tasks In Progress that take a slot, and a copy of what the user row allows. Kept in the transaction of each change; derived, so queue.reconcile can rebuild it.';
comment on column queue.user_slots.running is 'Tasks In Progress that take a slot (orchestration takes none), and slots that queue.held_slots keeps.';
comment on column queue.user_slots.orchestrating is
  'The same for orchestration tasks, which take places of their own: those that still need a worker.';
comment on column queue.user_slots.orchestration_limit is 'How many of these there may be.';
comment on column queue.user_slots.remembered is
  'Starts that others than their holders ended, whose holders have let go since: they count for the turn for turn_memory.';
comment on column queue.user_slots.cloud_reason is 'Why the fleet may run none of the user''s tasks now; null = it may.';
comment on column queue.user_slots.local_reason is 'Why the user''s own machines may run none of them now; null = they may.';
comment on column queue.user_slots.settings_malformed is 'A switch in users.settings is not a boolean and is read as on.';

alter table queue.user_slots set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table queue.user_slots enable row level security;

revoke all on table queue.user_slots from public, anon, authenticated, service_role;
grant select on table queue.user_slots to service_role;
