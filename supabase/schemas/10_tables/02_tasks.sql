-- Task types and tasks, with the indexes that claims, counts and lists scan; and a task as it is requested.

-- What the queue knows about a type of task. Tasks do not reference this table: unknown types must be storable. They
-- count as gpu and processing (unless fairlane_core.takes_slot knows the name) and create no generation.
create table fairlane.task_types (
  name text not null,
  run_type text not null default 'gpu',
  category text not null default 'processing',
  content_type text,
  is_active boolean not null default true,
  creates_generation boolean not null default false,
  max_attempts integer,
  timeout interval,
  is_retryable boolean not null default true,
  runs_on_own_gpu boolean not null default false,
  constraint task_types_pkey primary key (name),
  constraint task_types_run_type_is_known check (run_type in ('gpu', 'api')),
  constraint task_types_category_is_known check (category in ('generation', 'processing', 'orchestration', 'utility')),
  constraint task_types_content_type_is_known check (content_type in ('image', 'video')),
  constraint task_types_max_attempts_is_positive check (max_attempts > 0),
  constraint task_types_timeout_is_positive check (timeout > interval '0'),
  constraint task_types_orchestration_creates_no_generation check (category <> 'orchestration' or not creates_generation),
  constraint task_types_max_attempts_is_at_most_1000 check (max_attempts <= 1000),
  constraint task_types_timeout_is_at_most_30_days check (timeout <= interval '30 days'),
  constraint task_types_orchestration_keeps_to_its_pool check (category <> 'orchestration' or not runs_on_own_gpu)
);

-- Rows older than this rule are not validated.
alter table fairlane.task_types
  add constraint task_types_name_has_1_to_200_characters check (length(name) between 1 and 200) not valid;

comment on table fairlane.task_types is
  'What the queue knows about a type of task; a type without a row counts as gpu, processing (unless fairlane_core.takes_slot knows the name), no generation.';
comment on column fairlane.task_types.run_type is 'The pool of workers that runs it (fairlane_core.pools).';
comment on column fairlane.task_types.category is 'orchestration tasks take none of their owner''s slots.';
comment on column fairlane.task_types.content_type is 'The kind of its generation: image or video.';
comment on column fairlane.task_types.is_active is 'False holds back every queued task of the type (type_inactive).';
comment on column fairlane.task_types.creates_generation is 'Whether completing a task records a generation.';
comment on column fairlane.task_types.max_attempts is 'Attempts before a task ends Failed; at most 1000; null = fairlane_core.settings.max_attempts.';
comment on column fairlane.task_types.timeout is 'How long one attempt may run, at most 30 days; null = no limit of its own.';

comment on column fairlane.task_types.is_retryable is 'False ends a task at its first reported failure, whatever attempts are left.';
comment on column fairlane.task_types.runs_on_own_gpu is
  'True for a type of another pool that GPU workers can run, too: a claim for gpu with a token of the task''s owner gets it as well. Without effect on a type of gpu.';

alter table fairlane.task_types enable row level security;

-- One row per task, from Queued to its end. Deployed clients read and PATCH this table directly, so the table enforces
-- the rules itself, by triggers: what a row may contain and how it may change (tasks_before_insert,
-- tasks_before_update). Not by check constraints: every statement that writes here, including the hottest, would parse
-- them again.
create table fairlane.tasks (
  id uuid not null default gen_random_uuid(),
  task_type text not null,
  params jsonb not null default '{}',
  status text not null default 'Queued',
  project_id uuid,
  dependant_on uuid,
  worker_id text,
  output_location text,
  attempts integer not null default 0,
  error_message text,
  error_details text,
  created_at timestamptz not null default now(),
  updated_at timestamptz,
  generation_started_at timestamptz,
  generation_processed_at timestamptz,
  result_data jsonb,
  generation_created boolean not null default false,
  thumbnail_url text,
  user_id uuid,
  run_type text default 'cloud',
  priority integer not null default 0,
  available_at timestamptz,
  idempotency_key text,
  lease_token uuid,
  claim_id text,
  claimed_at timestamptz,
  delivered_at timestamptz,
  token_id uuid,
  requeue_count integer not null default 0,
  pool text,
  takes_slot boolean,
  readiness text,
  model text,
  max_attempts integer,
  timeout interval,
  reported_at timestamptz,
  has_bounded_params boolean not null default false,
  released_at timestamptz,
  uncounted_releases integer not null default 0,
  file_location text,
  seen_at timestamptz,
  is_beaten_for boolean not null default false,
  runs_on_own_gpu boolean not null default false,
  claim_repeats integer not null default 0,
  constraint tasks_pkey primary key (id),
  constraint tasks_belong_to_a_project foreign key (project_id) references fairlane.projects (id) on delete cascade,
  constraint tasks_belong_to_a_user foreign key (user_id) references fairlane.owners (id) on delete cascade
);

-- A user queue: one user's ready tasks of one pool, in claim order. Orchestration is separate: when its slots are
-- taken, the rest of the queue goes on.
create index tasks_ready on fairlane.tasks (user_id, pool, run_type, takes_slot, priority desc, created_at, id)
  where readiness = 'ready';
-- The same by model, for workers that have one loaded.
create index tasks_ready_by_model on fairlane.tasks (user_id, pool, run_type, model, takes_slot, priority desc, created_at, id)
  where readiness = 'ready';
-- Tasks that wait for a time and are released when it has come.
create index tasks_not_yet on fairlane.tasks (available_at) where readiness = 'not_yet';
-- The same for one user, pool and run type, the most urgent first. A query that names no user cannot use it, so no plan
-- prefers it to the index above.
create index tasks_not_yet_by_owner on fairlane.tasks (user_id, pool, run_type, priority desc, available_at)
  where readiness = 'not_yet' and user_id is not null;
-- Tasks of other pools that their owner's GPU machines run: live ones in claim order, and those that wait for a time.
-- Partial, so that nothing else pays for it.
create index tasks_on_own_gpu on fairlane.tasks (user_id, pool, readiness, run_type, priority desc, created_at, id)
  where runs_on_own_gpu and readiness is not null;
create index tasks_on_own_gpu_not_yet on fairlane.tasks (user_id, available_at, id)
  where runs_on_own_gpu and readiness = 'not_yet';
-- Ready tasks that were never started, by the time they could first run, to find stale ones.
create index tasks_never_started_since on fairlane.tasks (greatest(created_at, available_at, released_at))
  where readiness = 'ready' and attempts = 0 and claimed_at is null;
-- Stale orchestration: how counts report it depends on whether its owner has an orchestration slot free, and the
-- counter of stale tasks does not distinguish the two kinds.
create index tasks_stale_orchestration on fairlane.tasks (user_id, pool, run_type) where readiness = 'stale' and not takes_slot;
-- Queued tasks that wait for something other than a worker, by age: the cleanup reads them.
create index tasks_set_aside on fairlane.tasks (created_at)
  where readiness in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'dependency_lost', 'stale');
-- What a worker holds, and what runs.
create index tasks_running_by_worker on fairlane.tasks (worker_id) where status = 'In Progress';
-- What a worker holds and has done: its last completion, what was cancelled under it.
create index tasks_by_worker on fairlane.tasks (worker_id, status, generation_processed_at) where worker_id is not null;
-- An owner's live tasks of a type, to cancel them or derive them again. The type is cut because types older than the
-- bounds may be too long for an index.
create index tasks_live on fairlane.tasks (user_id, left(task_type, 200), id) where readiness is not null;
create index tasks_by_project on fairlane.tasks (project_id);
create index tasks_by_user on fairlane.tasks (user_id, created_at);
-- The newest tasks, which the debug tools list.
create index tasks_by_age on fairlane.tasks (created_at);
-- What waits for a task, by the column that deployed clients read.
create index tasks_by_dependency on fairlane.tasks (dependant_on) where dependant_on is not null;
-- `params @> {...}`: workers look for an orchestrator's children with it at each poll (docs/adr/0014).
create index tasks_by_params on fairlane.tasks using gin (params jsonb_path_ops);
create unique index tasks_idempotency_key_is_unique_per_user on fairlane.tasks (user_id, idempotency_key)
  where idempotency_key is not null;
create unique index tasks_claim_id_is_used_once
  on fairlane.tasks (worker_id, claim_id, coalesce(token_id, '00000000-0000-0000-0000-000000000000'))
  where claim_id is not null;

comment on table fairlane.tasks is 'One row per task. Its state changes only as docs/architecture.md says; an illegal direct change leaves its row as it is.';
comment on column fairlane.tasks.task_type is 'Any text; task_types has what the queue knows about it.';
comment on column fairlane.tasks.params is 'What the worker needs; handed out exactly as it came in.';
comment on column fairlane.tasks.status is 'Queued, In Progress, Complete, Failed or Cancelled.';
comment on column fairlane.tasks.dependant_on is 'The first dependency; all of them are in fairlane_core.task_dependencies.';
comment on column fairlane.tasks.worker_id is 'Who holds the task or held it last, as the worker named itself; kept after completion.';
comment on column fairlane.tasks.output_location is 'The result''s URL; while running a progress text; after a failure the reason, where deployed clients look.';
comment on column fairlane.tasks.attempts is 'The number of attempts. Only a claim raises it.';
comment on column fairlane.tasks.error_message is 'Why the task failed or was requeued; never null on a Failed task.';
comment on column fairlane.tasks.error_details is 'Further text of a fatal error, as deployed workers write it.';
comment on column fairlane.tasks.updated_at is 'Moves with every change and with every beat of the worker that runs the task.';
comment on column fairlane.tasks.generation_started_at is 'Start of the billed part of the current attempt.';
comment on column fairlane.tasks.generation_processed_at is 'When the task was completed.';
comment on column fairlane.tasks.result_data is 'What the worker reported beside the output.';
comment on column fairlane.tasks.generation_created is 'True once the task''s result record exists in generations.';
comment on column fairlane.tasks.user_id is 'The owner: always the project''s owner. Null only on rows from before the column existed.';
comment on column fairlane.tasks.run_type is 'cloud: workers with the service key or the owner''s own. local: only the owner''s own. Null only on rows from before the column existed; such rows wait until an operator decides.';
comment on column fairlane.tasks.priority is 'Higher first, within the user queue.';
comment on column fairlane.tasks.available_at is 'Not handed out before this time; null = at once.';
comment on column fairlane.tasks.idempotency_key is 'Chosen by whoever enqueues; unique per owner.';
comment on column fairlane.tasks.lease_token is 'The proof of the current attempt, new at each one. Null while Queued.';
comment on column fairlane.tasks.claim_id is 'The claim request that took the task, so that its repetition gets the same answer.';
comment on column fairlane.tasks.claimed_at is 'When the task was last handed out.';
comment on column fairlane.tasks.delivered_at is 'When a call or a log first named the task since it was handed out: proof that the worker has it.';
comment on column fairlane.tasks.token_id is 'The personal access token that holds the task; null for the service key.';
comment on column fairlane.tasks.requeue_count is 'How often an operator requeued the finished task. Only queue functions write it.';
comment on column fairlane.tasks.pool is 'Derived from task_types.run_type: which workers run it. Unknown type = gpu.';
comment on column fairlane.tasks.takes_slot is 'Derived from task_types.category, without a row from the name: false for orchestration.';
comment on column fairlane.tasks.model is 'Derived from params: the model the task wants; null = any.';
comment on column fairlane.tasks.readiness is 'Derived: active (In Progress), ready, or the one reason of its own why a queued task waits; null once finished. Reasons of its owner are not in here, see fairlane_core.user_slots.cloud_reason.';

comment on column fairlane.tasks.max_attempts is 'How many attempts this task gets before it ends Failed; null = as its type or the settings say.';
comment on column fairlane.tasks.timeout is 'How long one attempt of this task may run; null = as its type says.';
comment on column fairlane.tasks.reported_at is 'When a call or a log last named the task.';
comment on column fairlane.tasks.released_at is
  'When the last of its dependencies completed, or an operator requeued it; null = neither. Its age counts from the latest of this, created_at and available_at.';
comment on column fairlane.tasks.uncounted_releases is
  'How often its holder released the task, or it never reached the holder, since it was enqueued or requeued; max_uncounted_releases of these cost no attempt.';
comment on column fairlane.tasks.file_location is
  'The file of a result that output_location describes in JSON; null where output_location is the result itself. Only queue functions write it.';
comment on column fairlane.tasks.seen_at is
  'When the token that runs the task last gave a sign of life for it other than a report: a heartbeat of its machine, or a call that names the task.';
comment on column fairlane.tasks.runs_on_own_gpu is
  'Derived from task_types: a task of another pool that GPU machines of its owner run, too (fairlane_core.is_served_by); false for tasks of gpu.';
comment on column fairlane.tasks.is_beaten_for is 'True once the machine of a token has sent a heartbeat for this attempt: more are then expected.';
comment on column fairlane.tasks.claim_repeats is
  'How often a claim that returned the task was answered again under its claim_id, since the task was enqueued or requeued; max_uncounted_releases of these cost no attempt.';
comment on column fairlane.tasks.has_bounded_params is
  'True once a trigger has found the params within their bounds (fairlane_core.json_fault); false on rows from before the bounds existed, which claims measure.';

alter table fairlane.tasks set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

alter table fairlane.tasks enable row level security;

-- One requested task: what was sent, and what the queue found out about it.
create type fairlane_core.task_request as (
  task_id uuid,
  task_type text,
  params jsonb,
  project text,
  depends_on uuid[],
  run_type text,
  priority integer,
  available_at timestamptz,
  idempotency_key text,
  max_attempts integer,
  timeout_seconds integer,
  created_at timestamptz,
  project_id uuid,
  owner_id uuid
);

comment on type fairlane_core.task_request is
  'One requested task. project is the text that was sent, project_id the project it leads to (null = none), owner_id the owner of the task.';
