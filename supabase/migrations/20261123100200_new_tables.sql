-- What: task types, task history, dependencies and the derived state of owners.
-- Why: a claim and a count must cost the same at a thousand and at a million tasks.
-- Back out: drop these tables; nothing else is kept in them that cannot be derived again, except history and types.

set lock_timeout = '900ms';
select queue.lock_tables('public.tasks', 'public.users');

-- What the queue knows of a type of task. Tasks do not reference this table: unknown types must be
-- storable, and count as gpu, processing, without a generation.
create table public.task_types (
  name text not null,
  run_type text not null default 'gpu',
  category text not null default 'processing',
  content_type text,
  is_active boolean not null default true,
  creates_generation boolean not null default false,
  max_attempts integer,
  timeout interval,
  constraint task_types_pkey primary key (name),
  constraint task_types_run_type_is_known check (run_type in ('gpu', 'api')),
  constraint task_types_category_is_known check (category in ('generation', 'processing', 'orchestration', 'utility')),
  constraint task_types_content_type_is_known check (content_type in ('image', 'video')),
  constraint task_types_max_attempts_is_positive check (max_attempts > 0),
  constraint task_types_timeout_is_positive check (timeout > interval '0'),
  constraint task_types_orchestration_creates_no_generation check (category <> 'orchestration' or not creates_generation)
);

comment on table public.task_types is
  'What the queue knows of a type of task; a type without a row counts as gpu, processing, no generation.';
comment on column public.task_types.run_type is 'The pool of workers that runs it: gpu or api.';
comment on column public.task_types.category is 'orchestration tasks take none of their owner''s slots.';
comment on column public.task_types.content_type is 'What its generation is: image or video.';
comment on column public.task_types.is_active is 'False holds back every queued task of the type (type_inactive).';
comment on column public.task_types.creates_generation is 'Whether completing a task records a generation.';
comment on column public.task_types.max_attempts is 'Starts before a task ends Failed; null = queue.settings.max_attempts.';
comment on column public.task_types.timeout is 'How long one start may run; null = no limit of its own.';

alter table public.task_types enable row level security;

revoke all on table public.task_types from public, anon, authenticated, service_role;
grant select on table public.task_types to authenticated;
grant select, insert, update, delete on table public.task_types to service_role;

create policy everyone_signed_in_reads_task_types on public.task_types
  for select to authenticated
  using (true);

-- The story of every task, in order, append only. Ids are taken under the owner's lock, so the order
-- of ids is the order in which things became true for that owner.
create table public.task_events (
  id bigint generated always as identity,
  task_id uuid not null,
  user_id uuid,
  at timestamptz not null,
  from_status text,
  to_status text not null,
  worker_id text,
  attempt integer not null,
  actor text not null,
  reason text,
  details jsonb,
  constraint task_events_pkey primary key (id)
);

create index task_events_by_task on public.task_events (task_id, id);
create index task_events_by_user on public.task_events (user_id, id);

comment on table public.task_events is 'Append-only history: every change of state of every task, and what was reported but changed nothing.';
comment on column public.task_events.task_id is 'The task; kept when the task is deleted.';
comment on column public.task_events.user_id is 'The task''s owner at the time.';
comment on column public.task_events.from_status is 'Null when the task was created; equal to to_status when nothing changed and the report was only recorded.';
comment on column public.task_events.attempt is 'Which start of the task this belongs to; 0 before the first.';
comment on column public.task_events.actor is 'Who did it, as far as known: service, token:<id>, user:<id>, or the database role of a direct change.';
comment on column public.task_events.reason is 'Why, in words.';
comment on column public.task_events.details is 'What else was reported, for example the full error text.';

alter table public.task_events enable row level security;

revoke all on sequence public.task_events_id_seq from public, anon, authenticated, service_role;
revoke all on table public.task_events from public, anon, authenticated, service_role;
grant select on table public.task_events to authenticated, service_role;

create policy owners_read_task_events on public.task_events
  for select to authenticated
  using (user_id = (select auth.uid()));

-- Which task waits for which. No foreign key on depends_on: a dependency may be missing, and the
-- waiting task then says so (dependency_lost) instead of being refused.
create table queue.task_dependencies (
  task_id uuid not null,
  depends_on uuid not null,
  constraint task_dependencies_pkey primary key (task_id, depends_on),
  constraint task_dependencies_belong_to_a_task foreign key (task_id) references public.tasks (id) on delete cascade,
  constraint task_dependencies_are_on_another_task check (task_id <> depends_on)
);

create index task_dependencies_by_dependency on queue.task_dependencies (depends_on, task_id);

comment on table queue.task_dependencies is 'task_id may run once depends_on is Complete.';

alter table queue.task_dependencies enable row level security;

revoke all on table queue.task_dependencies from public, anon, authenticated, service_role;
grant select on table queue.task_dependencies to service_role;

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
  -- The owner's half of the one rule, in the order in which the reasons are reported. The task's own half is
  -- queue.task_standing.
  cloud_reason text generated always as (
    case
      when not has_credits then 'no_credits'
      when not cloud_on then 'cloud_disabled'
      when running >= task_limit then 'user_at_limit'
    end
  ) stored,
  local_reason text generated always as (
    case
      when not local_on then 'local_disabled'
      when running >= task_limit then 'user_at_limit'
    end
  ) stored,
  constraint user_slots_pkey primary key (user_id),
  constraint user_slots_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
);

comment on table queue.user_slots is
  'Per user: tasks In Progress that take a slot, and a copy of what the user row allows. Kept in the transaction of each change; derived, so queue.reconcile can rebuild it.';
comment on column queue.user_slots.running is 'Tasks In Progress that take a slot (orchestration takes none).';
comment on column queue.user_slots.cloud_reason is 'Why the fleet may run none of the user''s tasks now; null = it may.';
comment on column queue.user_slots.local_reason is 'Why the user''s own machines may run none of them now; null = they may.';
comment on column queue.user_slots.settings_malformed is 'A switch in users.settings is not a boolean and is read as on.';

alter table queue.user_slots set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table queue.user_slots enable row level security;

revoke all on table queue.user_slots from public, anon, authenticated, service_role;
grant select on table queue.user_slots to service_role;

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
  constraint user_lines_pkey primary key (user_id, pool),
  constraint user_lines_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
);

-- Whose turn it is: fewest running first, then who has waited longest since the last turn.
create index user_lines_turns on queue.user_lines (pool, running, turn_at) where is_open;

comment on table queue.user_lines is
  'Per user and pool: counts of ready and running tasks, and the place in the turn of users. Kept in the transaction of each change; derived, so queue.reconcile can rebuild it.';
comment on column queue.user_lines.ready_cloud is 'Ready tasks with run_type cloud that take a slot; the next three columns likewise.';
comment on column queue.user_lines.active_cloud is 'Tasks In Progress held with the service key that take a slot; active_local: held with a personal token.';
comment on column queue.user_lines.running is 'Copy of user_slots.running, for the index.';
comment on column queue.user_lines.is_open is 'A worker with the service key could take a task from this line now.';
comment on column queue.user_lines.turn_at is 'When the user was last served in this pool, or when the line began to fill, whichever is later.';

alter table queue.user_lines set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table queue.user_lines enable row level security;

revoke all on table queue.user_lines from public, anon, authenticated, service_role;
grant select on table queue.user_lines to service_role;

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

comment on table queue.blocked_tasks is
  'Counts of queued tasks that are not ready, per owner, pool and reason. Derived, kept in the transaction of each change.';
comment on column queue.blocked_tasks.user_id is 'The owner; 00000000-0000-0000-0000-000000000000 for tasks without one.';
comment on column queue.blocked_tasks.is_cloud is 'False for run_type local.';

alter table queue.blocked_tasks set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table queue.blocked_tasks enable row level security;

revoke all on table queue.blocked_tasks from public, anon, authenticated, service_role;
grant select on table queue.blocked_tasks to service_role;

-- By how much a statement changed one counter of the derived state.
create type queue.load_change as (
  user_id uuid,
  pool text,
  is_cloud boolean,
  takes_slot boolean,
  standing text,
  delta integer
);

comment on type queue.load_change is
  'By how much one statement changed the number of tasks of an owner with the same pool, kind and standing.';

-- Who is calling, once the credential was checked.
create type queue.caller as (
  kind text,
  user_id uuid,
  token_id uuid
);

comment on type queue.caller is
  'Who is calling: kind service (user_id null), token or user (user_id set).';

-- What a caller would rather run.
create type queue.affinity as (
  model text,
  is_required boolean,
  waited_since timestamptz
);

comment on type queue.affinity is
  'What a caller would rather run: tasks of the model it has loaded (null = no preference), only those if is_required, except tasks that were enqueued before waited_since.';

-- What the sweep saw each minute, per pool: with it a count can tell a jump from growth.
create table queue.minute_samples (
  sampled_at timestamptz not null,
  pool text not null,
  claimable integer not null,
  arrivals integer not null,
  completions integer not null,
  last_event_id bigint not null,
  constraint minute_samples_pkey primary key (sampled_at, pool)
);

comment on table queue.minute_samples is 'One row per minute and pool, kept for a day.';
comment on column queue.minute_samples.claimable is 'Tasks that workers with the service key could claim.';
comment on column queue.minute_samples.arrivals is 'Tasks enqueued since the sample before.';
comment on column queue.minute_samples.completions is 'Tasks completed since the sample before.';
comment on column queue.minute_samples.last_event_id is 'The last event that was counted.';

alter table queue.minute_samples enable row level security;

revoke all on table queue.minute_samples from public, anon, authenticated, service_role;
grant select on table queue.minute_samples to service_role;

-- What one user has in the queue, as a caller would find it.
create type queue.user_load_row as (
  user_id uuid,
  reason text,
  ready integer,
  claimable integer,
  active integer,
  active_orchestration integer,
  active_elsewhere integer,
  running integer,
  task_limit integer,
  turn_at timestamptz
);

comment on type queue.user_load_row is
  'What one user has in the queue: why none of it may run now (null = may), ready tasks, tasks claimable one after another, active ones (elsewhere: on the user''s own machines), slots in use, the limit, since when the turn is awaited.';

insert into public.task_types (name, run_type, category, content_type, creates_generation) values
  ('travel_orchestrator', 'gpu', 'orchestration', null, false),
  ('join_clips_orchestrator', 'gpu', 'orchestration', null, false),
  ('travel_segment', 'gpu', 'generation', 'video', true),
  ('travel_stitch', 'gpu', 'generation', 'video', true),
  ('join_clips', 'gpu', 'generation', 'video', true),
  ('join_clips_segment', 'gpu', 'generation', 'video', true),
  ('video_generation', 'gpu', 'generation', 'video', true),
  ('qwen_image_edit', 'api', 'generation', 'image', true),
  ('video_upscale', 'api', 'generation', 'video', true);
