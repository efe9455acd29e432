-- What: types of task, history, dependencies, the derived state of owners, and the rows that ship with them.
-- Why: a claim and a count must cost the same at a thousand and at a million tasks.
-- Back out: drop these tables and types; nothing is kept in them that cannot be derived again, except history and types.
-- Written by `npm run migrations`, from supabase/schemas.

set lock_timeout = '900ms';

-- Users who were deleted, kept until the history has forgotten them too. Everything else of theirs is deleted with
-- their row.
create table fairlane_core.deleted_users (
  user_id uuid not null,
  deleted_at timestamptz not null,
  constraint deleted_users_pkey primary key (user_id)
);

comment on table fairlane_core.deleted_users is
  'Users who were deleted but are still named in public.task_events, until fairlane_core.settings.deleted_user_retention has passed.';
comment on column fairlane_core.deleted_users.deleted_at is 'When the row of public.users was deleted, or when that was first noticed.';

alter table fairlane_core.deleted_users enable row level security;

-- Heartbeats that could not be written into the row of their worker because another transaction holds it. Users' own
-- machines have no row: of them only ends, while another transaction holds a task that they run, or its owner. And ends
-- of machines under a name that several share: which one held the task shows later, when nobody names it again.
create table fairlane_core.noted_beats (
  worker_id text not null,
  beat_at timestamptz not null,
  status text, -- an end that is still to be applied
  leases uuid[],
  doubtful_leases uuid[],
  constraint noted_beats_pkey primary key (worker_id, beat_at)
);

comment on table fairlane_core.noted_beats is
  'Heartbeats of workers whose row another transaction held: signs of life for fairlane_core.stalled_tasks, deleted by the rescue an hour later; and ends, of users'' machines while another transaction held what they run, and of machines under a shared name, deleted with the last of these attempts.';

comment on column fairlane_core.noted_beats.status is
  'The end that the heartbeat reported (terminated, crashed), until the rescue could write it into the worker''s row.';

comment on column fairlane_core.noted_beats.leases is
  'The attempts (tasks.lease_token) that the end leaves to the rescue; null if one worker of the fleet ended.';

comment on column fairlane_core.noted_beats.doubtful_leases is
  'The attempts that were running under the shared name of a machine which ended; its own are those that no machine names again.';

alter table fairlane_core.noted_beats enable row level security;

-- Workers whose claims were refused because of what their row says. A refusal rolls back, so a second call records it,
-- at most once a minute per worker.
create table fairlane_core.claim_refusals (
  worker_id text not null,
  status text not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  constraint claim_refusals_pkey primary key (worker_id)
);

comment on table fairlane_core.claim_refusals is 'Per worker, claims refused with WORKER_NOT_ELIGIBLE; kept for a week.';
comment on column fairlane_core.claim_refusals.status is 'The worker''s status at the last one.';
comment on column fairlane_core.claim_refusals.first_at is 'When its claims began to be refused.';
comment on column fairlane_core.claim_refusals.last_at is 'The last one noted; exact to a minute.';

alter table fairlane_core.claim_refusals enable row level security;

-- Who is calling, after the credential was checked.
create type fairlane_core.caller as (
  kind text,
  user_id uuid,
  token_id uuid
);

comment on type fairlane_core.caller is
  'Who is calling: kind service (user_id null), token or user (user_id set).';

-- What a caller prefers to run.
create type fairlane_core.affinity as (
  model text,
  is_required boolean,
  waited_since timestamptz
);

comment on type fairlane_core.affinity is
  'What a caller prefers to run: tasks of the model it has loaded (null = no preference), if is_required also those of users whose turn comes later; tasks enqueued before waited_since keep their place.';

-- Task types and tasks, with the indexes that claims, counts and lists scan; and a task as it is requested.

-- What the queue knows about a type of task. Tasks do not reference this table: unknown types must be storable. They
-- count as gpu and processing (unless fairlane_core.takes_slot knows the name) and create no generation.
create table public.task_types (
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
alter table public.task_types
  add constraint task_types_name_has_1_to_200_characters check (length(name) between 1 and 200) not valid;

comment on table public.task_types is
  'What the queue knows about a type of task; a type without a row counts as gpu, processing (unless fairlane_core.takes_slot knows the name), no generation.';
comment on column public.task_types.run_type is 'The pool of workers that runs it (fairlane_core.pools).';
comment on column public.task_types.category is 'orchestration tasks take none of their owner''s slots.';
comment on column public.task_types.content_type is 'The kind of its generation: image or video.';
comment on column public.task_types.is_active is 'False holds back every queued task of the type (type_inactive).';
comment on column public.task_types.creates_generation is 'Whether completing a task records a generation.';
comment on column public.task_types.max_attempts is 'Attempts before a task ends Failed; at most 1000; null = fairlane_core.settings.max_attempts.';
comment on column public.task_types.timeout is 'How long one attempt may run, at most 30 days; null = no limit of its own.';

comment on column public.task_types.is_retryable is 'False ends a task at its first reported failure, whatever attempts are left.';
comment on column public.task_types.runs_on_own_gpu is
  'True for a type of another pool that GPU workers can run, too: a claim for gpu with a token of the task''s owner gets it as well. Without effect on a type of gpu.';

alter table public.task_types enable row level security;

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

-- The history of every task, in order, append only. Ids are assigned under the owner's lock, so their order is the
-- order in which things became true for that owner.
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
-- Attempts that came to nothing: the only trace of a worker that returned everything it ever had. There are few, so
-- claims and completions pay nothing.
create index task_events_by_worker on public.task_events (worker_id)
  where from_status = 'In Progress' and to_status in ('Queued', 'Failed');

comment on table public.task_events is 'Append-only history: every change of state of every task, and reports that changed nothing.';
comment on column public.task_events.task_id is 'The task; kept when the task is deleted.';
comment on column public.task_events.user_id is 'The task''s owner at the time.';
comment on column public.task_events.from_status is 'Null when the task was created; equal to to_status when nothing changed and the report was only recorded.';
comment on column public.task_events.attempt is 'The attempt that this belongs to; 0 before the first.';
comment on column public.task_events.actor is 'Who did it, as far as known: service, token:<id>, user:<id>, or the database role of a direct change.';
comment on column public.task_events.reason is 'Why, as text.';
comment on column public.task_events.details is 'What else was reported, for example the full error text.';

alter table public.task_events enable row level security;

-- How many tasks have ended, without counting a million rows: the totals advance with the history, a piece each minute.
-- No task writes here, so tasks never wait for each other.
create table fairlane_core.status_totals (
  status text not null,
  task_count bigint not null,
  last_event_id bigint not null,
  constraint status_totals_pkey primary key (status)
);

comment on table fairlane_core.status_totals is 'Tasks per final status, as of an event.';
comment on column fairlane_core.status_totals.last_event_id is 'The last event that was counted; later ones are counted on reading.';

alter table fairlane_core.status_totals enable row level security;

-- How long the last tasks of each type ran. An attempt that runs much longer deserves attention.
create table fairlane_core.type_durations (
  task_type text not null,
  durations integer[] not null,
  usual interval not null,
  counted_at timestamptz not null,
  constraint type_durations_pkey primary key (task_type)
);

comment on table fairlane_core.type_durations is
  'How long the last completed tasks of each type ran, from claim to completion; updated by the job advance_status_totals. Derived.';
comment on column fairlane_core.type_durations.durations is 'Seconds that each of the last 50 took, the newest last.';
comment on column fairlane_core.type_durations.usual is 'Nine of ten of them took no longer.';

alter table fairlane_core.type_durations enable row level security;

-- What the sweep saw each minute, per pool, so that a count can tell a jump from growth.
create table fairlane_core.minute_samples (
  sampled_at timestamptz not null,
  pool text not null,
  claimable integer not null,
  arrivals integer not null,
  completions integer not null,
  last_event_id bigint not null,
  constraint minute_samples_pkey primary key (sampled_at, pool)
);

comment on table fairlane_core.minute_samples is 'One row per minute and pool, kept for a day.';
comment on column fairlane_core.minute_samples.claimable is 'Tasks that workers with the service key could claim.';
comment on column fairlane_core.minute_samples.arrivals is 'Tasks enqueued since the sample before.';
comment on column fairlane_core.minute_samples.completions is 'Tasks completed since the sample before.';
comment on column fairlane_core.minute_samples.last_event_id is 'The last event that was counted.';

alter table fairlane_core.minute_samples enable row level security;

-- Which task is part of which. One row per task whose params name an orchestrator (fairlane_core.parent_task_id), even
-- while that orchestrator does not exist or belongs to somebody else: then it has no effect. No foreign keys: the
-- delete trigger must still see the row it removes.
create table fairlane_core.subtasks (
  task_id uuid not null,
  orchestrator_id uuid not null,
  user_id uuid not null,
  task_type text not null,
  final_rank smallint not null,
  part_index integer,
  replaced_by uuid,
  seq bigint generated always as identity,
  constraint subtasks_pkey primary key (task_id)
);

-- The final child first; children of the same part next to each other, in the order of their arrival.
create index subtasks_by_part on fairlane_core.subtasks (orchestrator_id, user_id, final_rank desc, part_index desc nulls last, seq desc)
  where replaced_by is null;
-- Offered to the planner only where somebody asks for an orchestrator: it would read it whole for a task's own row.
create index subtasks_by_orchestrator on fairlane_core.subtasks (orchestrator_id, task_id) where orchestrator_id is not null;
alter table fairlane_core.subtasks alter column orchestrator_id set (n_distinct = -1); -- as above
create index subtasks_replaced on fairlane_core.subtasks (replaced_by) where replaced_by is not null;

comment on table fairlane_core.subtasks is 'task_id is a part of orchestrator_id, as its params say.';
comment on column fairlane_core.subtasks.user_id is 'The owner of the task; only an orchestrator of the same owner is its parent.';
comment on column fairlane_core.subtasks.final_rank is
  'Whose output becomes that of the family: 3 the final child, 2 one that merges parts, 1 a part, 0 any other (fairlane_core.part_of). The highest counts, then the highest part_index.';
comment on column fairlane_core.subtasks.part_index is 'Which part of its rank; 0 for the final child, of which there is one; null = not a numbered part.';
comment on column fairlane_core.subtasks.replaced_by is 'The child that counts instead of this one, which is the same part under another id; null = this one counts.';
comment on column fairlane_core.subtasks.seq is 'The order in which children came.';

alter table fairlane_core.subtasks enable row level security;

-- One small row per orchestrator with children: counts of their states. Updated in the transaction of each change,
-- under the owner's lock, so that the last of 1,000 children costs no more than the first.
create table fairlane_core.orchestrations (
  orchestrator_id uuid not null,
  user_id uuid not null,
  open_count integer not null default 0,
  complete_count integer not null default 0,
  failed_count integer not null default 0,
  cancelled_count integer not null default 0,
  part_count integer not null default 0,
  merge_count integer not null default 0,
  final_count integer not null default 0,
  enqueued_attempt integer,
  ended_as text,
  changed_at timestamptz not null,
  constraint orchestrations_pkey primary key (orchestrator_id)
);

-- Families in which the orchestrator or the children may have to end: fairlane_core.repair_orchestrations reads these.
create index orchestrations_to_repair on fairlane_core.orchestrations (changed_at)
  where (
    ended_as is null
    and (failed_count > 0 or (open_count = 0 and complete_count + cancelled_count > 0))
  ) or (ended_as = 'Cancelled' and open_count > 0);

-- The same where the siblings of a failed child fail too (fairlane_core.settings.fails_siblings).
create index orchestrations_failed_with_open_children on fairlane_core.orchestrations (orchestrator_id)
  where ended_as = 'Failed' and open_count > 0;

comment on table fairlane_core.orchestrations is
  'Per orchestrator: counts of its children by state, without replaced ones. Derived, updated in the transaction of each change.';
comment on column fairlane_core.orchestrations.open_count is 'Children that are Queued or In Progress.';
comment on column fairlane_core.orchestrations.part_count is 'Children of final_rank 1, whatever their state; the next two count ranks 2 and 3.';
comment on column fairlane_core.orchestrations.enqueued_attempt is
  'The attempt in which the orchestrator reported that it has enqueued its children; null = it has not.';
comment on column fairlane_core.orchestrations.ended_as is 'How the orchestrator ended; null = it is Queued or In Progress.';
comment on column fairlane_core.orchestrations.changed_at is 'When one of the counts last changed.';

alter table fairlane_core.orchestrations set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table fairlane_core.orchestrations enable row level security;

-- Running orchestration tasks that have enqueued everything, or whose workers claim again, and that need no worker any
-- more: they no longer occupy an orchestration slot. Recorded for one attempt; what happens to the children later does
-- not revoke it.
create table fairlane_core.handovers (
  orchestrator_id uuid not null,
  lease_token uuid not null,
  constraint handovers_pkey primary key (orchestrator_id)
);

comment on table fairlane_core.handovers is 'Orchestration tasks In Progress that need no worker, because all of their children are enqueued.';
comment on column fairlane_core.handovers.lease_token is 'The attempt in which they were enqueued; zeros for one from before leases.';

alter table fairlane_core.handovers enable row level security;

-- Which type a client's create-task means by a family that is not a type. Read only when a body says family, once for
-- each such task. Without a row the family is the type.
create table fairlane_core.family_names (
  family text not null,
  parent_type text not null default '',
  having_param text not null default '',
  task_type text not null,
  constraint family_names_pkey primary key (family, parent_type, having_param)
);

comment on table fairlane_core.family_names is
  'Families of create-task that are names of another type: the type that such a task is stored with.';
comment on column fairlane_core.family_names.parent_type is 'Only for parts of an orchestrator of this type; empty = whatever it is a part of.';
comment on column fairlane_core.family_names.having_param is 'Only where its params have this member; empty = whatever they have.';
comment on column fairlane_core.family_names.task_type is 'The type of the task.';

alter table fairlane_core.family_names enable row level security;

-- How one statement changed the child counts of an orchestrator.
create type fairlane_core.family_change as (
  orchestrator_id uuid,
  open integer,
  complete integer,
  failed integer,
  cancelled integer
);

comment on type fairlane_core.family_change is
  'How one statement changed the numbers of an orchestrator''s open, Complete, Failed and Cancelled children.';

-- How a task ended, for the tasks that end with it.
create type fairlane_core.task_end as (
  task_id uuid,
  user_id uuid,
  status text,
  reason text
);

comment on type fairlane_core.task_end is
  'The end of a task, or its deletion (status deleted), as the tasks that depend on it need to know it.';

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

-- What runs in the background: jobs, the clock they watch, deferred work, and what they record.

-- When each job of the queue last ran, and with what outcome. health and task_counts read it: a job that fails or does
-- not run must be noticed.
create table fairlane_core.job_runs (
  job text not null,
  period interval not null,
  scheduled_at timestamptz not null default now(),
  ran_at timestamptz,
  took interval,
  result jsonb,
  failed_at timestamptz,
  error text,
  stood_in_at timestamptz,
  constraint job_runs_pkey primary key (job)
);

comment on table fairlane_core.job_runs is 'One row per pg_cron job of the queue.';
comment on column fairlane_core.job_runs.period is 'How often it should run; two periods without a run are late.';
comment on column fairlane_core.job_runs.scheduled_at is 'Since when it is scheduled.';
comment on column fairlane_core.job_runs.ran_at is 'When it last finished.';
comment on column fairlane_core.job_runs.took is 'How long that took.';
comment on column fairlane_core.job_runs.result is 'What that run did.';
comment on column fairlane_core.job_runs.failed_at is 'When it last failed; earlier than ran_at = it has run since.';
comment on column fairlane_core.job_runs.error is 'Why it failed then.';
comment on column fairlane_core.job_runs.stood_in_at is 'When a claim last did its work, because it was late.';

alter table fairlane_core.job_runs enable row level security;

-- What the queue has observed of the database's clock. Written by each rescue (fairlane_core.watch_clock).
create table fairlane_core.clock_watch (
  is_only_row boolean not null default true,
  looked_at timestamptz,
  is_steady boolean not null default false,
  trusted_since timestamptz not null default '-infinity',
  set_back_at timestamptz,
  set_back_until timestamptz,
  away_after interval not null default interval '1 hour',
  away_until timestamptz,
  away_for interval not null default interval '0',
  timeline text,
  constraint clock_watch_pkey primary key (is_only_row),
  constraint clock_watch_has_one_row check (is_only_row)
);

comment on table fairlane_core.clock_watch is 'Since when measured silences can be trusted; exactly one row.';
comment on column fairlane_core.clock_watch.is_only_row is 'Always true: the key that keeps this table at one row.';
comment on column fairlane_core.clock_watch.looked_at is 'The machine''s own time at the last observation, without fairlane_core.settings.clock_offset.';
comment on column fairlane_core.clock_watch.is_steady is 'Whether the last observation came in time, and a full gpu_heartbeat_timeout has been measured since the last gap.';
comment on column fairlane_core.clock_watch.trusted_since is
  'The first observation after a gap: silences and runs are measured from here at the earliest. -infinity = there was no gap.';
comment on column fairlane_core.clock_watch.set_back_at is 'The first observation after the clock was last set back; null = it never was.';
comment on column fairlane_core.clock_watch.set_back_until is 'What the clock showed before that: until it shows this again, rows contain future times.';
comment on column fairlane_core.clock_watch.away_after is 'A gap between two observations that is longer than this counts as an outage.';
comment on column fairlane_core.clock_watch.away_until is 'The end of the last outage; null = there was none. Work does not age during one (fairlane_core.stale_before).';
comment on column fairlane_core.clock_watch.away_for is 'How long that outage was, plus earlier ones that ended less than stale_after ago.';
comment on column fairlane_core.clock_watch.timeline is 'The timeline of the server at the last observation. If it changes, a standby was promoted, which counts as a start of the database.';

alter table fairlane_core.clock_watch enable row level security;

insert into fairlane_core.clock_watch (is_only_row) values (true);

-- What a change has left to do because more depends on its row than one transaction should touch. Written in that
-- transaction, so nothing is lost; processed piece by piece afterwards (fairlane_core.settle_deferred), so nothing
-- waits for it.
create table fairlane_core.deferred_work (
  id bigint generated always as identity,
  kind text not null,
  task_id uuid,
  user_id uuid,
  status text,
  root_id uuid,
  reason text,
  task_type text,
  after_id uuid,
  only_id uuid,
  since timestamptz not null,
  deleted_id uuid,
  constraint deferred_work_pkey primary key (id)
);

create index deferred_work_by_task on fairlane_core.deferred_work (task_id) where task_id is not null;
create index deferred_work_by_type on fairlane_core.deferred_work (task_type) where task_type is not null;
create index deferred_work_by_deletion on fairlane_core.deferred_work (deleted_id) where deleted_id is not null;

comment on table fairlane_core.deferred_work is
  'What changes have left to do: one row per task, type, setting, user or project on which more depends than one transaction may touch.';
comment on column fairlane_core.deferred_work.kind is
  'dependents: check the dependents of task_id again. lost: end them because of root_id. children: cancel the open children of task_id. siblings: fail its queued children because of root_id. type: derive live tasks of task_type again. limits: give users without a limit of their own the default one. stale: release tasks that are no longer stale. user, project: delete deleted_id with all its rows.';
comment on column fairlane_core.deferred_work.user_id is 'The owner of task_id and of all tasks concerned.';
comment on column fairlane_core.deferred_work.status is 'How task_id ended: Complete, Failed, Cancelled or deleted; for lost, how root_id did.';
comment on column fairlane_core.deferred_work.root_id is 'The task whose end is the cause, at the head of a chain.';
comment on column fairlane_core.deferred_work.reason is 'Why it ended so; for a deletion, who deleted it.';
comment on column fairlane_core.deferred_work.after_id is 'Progress: all up to this id are done.';
comment on column fairlane_core.deferred_work.only_id is 'Only this one is left: somebody held it when it was reached.';
comment on column fairlane_core.deferred_work.since is 'Since when it is due.';
comment on column fairlane_core.deferred_work.deleted_id is 'The user or project that was deleted; the row itself is deleted last.';

alter table fairlane_core.deferred_work set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table fairlane_core.deferred_work enable row level security;

-- Types of enqueued tasks without a row in public.task_types. Written by the sweep, at most once a minute per type,
-- so that enqueuing pays nothing for it.
create table fairlane_core.unknown_types (
  name text not null,
  task_count bigint not null,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  constraint unknown_types_pkey primary key (name)
);

comment on table fairlane_core.unknown_types is
  'Types without a row in public.task_types that tasks were enqueued with in the last 30 days; at most 1000. public.unknown_task_types() says what they count as.';
comment on column fairlane_core.unknown_types.task_count is 'How many were enqueued since first_seen_at.';
comment on column fairlane_core.unknown_types.first_seen_at is 'When the first one was enqueued.';
comment on column fairlane_core.unknown_types.last_seen_at is 'When the last one was enqueued.';

alter table fairlane_core.unknown_types enable row level security;

-- Fields that clients send and the queue does not use. Without this, a client that believes it is understood would be
-- noticed only by its results.
create table fairlane_core.unused_fields (
  endpoint text not null,
  field text not null,
  calls bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  constraint unused_fields_pkey primary key (endpoint, field),
  constraint unused_fields_are_short check (length(endpoint) <= 63 and length(field) <= 63)
);

comment on table fairlane_core.unused_fields is
  'Fields of requests that this queue does not use, by endpoint: how often and when they came. At most 500 rows, kept for 30 days after the last call; fairlane_core.health reports those of the last week.';

alter table fairlane_core.unused_fields enable row level security;

-- A running task that nobody can be expected to finish.
create type fairlane_core.lost_task as (
  task_id uuid,
  lease_token uuid,
  reported_at timestamptz,
  worker_id text,
  cause text,
  reason text
);

comment on type fairlane_core.lost_task is
  'A running task to be requeued: its current attempt (lease_token, reported_at), its holder, the cause (worker_ended, terminated or crashed as a machine said, worker_silent, caller_silent, unassigned, unnamed, timed_out, never_delivered, failure_told, token_ended, enqueued_nothing, left_behind) and the reason as text.';

-- A run of a job that works in batches, between two of them.
create type fairlane_core.batch_run as (
  job text,
  due uuid[],
  done_count integer,
  result jsonb,
  started_at timestamptz,
  pause interval,
  is_over boolean
);

comment on type fairlane_core.batch_run is
  'A run of cleanup, purge, reconcile, rescue or settle: the tasks or owners that were due when it began, how many of them are done, the result so far, and how long to pause now.';

-- What ships only for today's fleet: its pools, its task types, the names that its workers send, its settings.

-- The pools of the fleet (fairlane_core.pools).
alter table public.task_types drop constraint task_types_run_type_is_known;
alter table public.task_types add constraint task_types_run_type_is_known check (run_type in ('gpu', 'api', 'banodoco'));
alter table fairlane_core.settings drop constraint settings_paused_pools_are_pools;
alter table fairlane_core.settings add constraint settings_paused_pools_are_pools check (paused_pools <@ array['gpu', 'api', 'banodoco']);

-- The types that today's fleet runs, defined only here (docs/operations.md, "Types of task"). An existing row stays as
-- it is: operators change types with public.set_task_type. Of the categories only orchestration has an effect.
insert into public.task_types (name, run_type, category, content_type, creates_generation)
values
  -- Families: orchestrators enqueue the parts, and the last part provides their result.
  ('travel_orchestrator', 'gpu', 'orchestration', 'video', false),
  ('join_clips_orchestrator', 'gpu', 'orchestration', 'video', false),
  ('edit_video_orchestrator', 'gpu', 'orchestration', 'video', false),
  ('travel_segment', 'gpu', 'generation', 'video', true),
  ('travel_stitch', 'gpu', 'generation', 'video', true),
  ('join_clips', 'gpu', 'generation', 'video', true),
  ('join_clips_segment', 'gpu', 'generation', 'video', true),
  ('join_final_stitch', 'gpu', 'generation', 'video', true),
  ('individual_travel_segment', 'gpu', 'generation', 'video', true),
  ('edit_video_segment', 'gpu', 'processing', 'video', true),
  -- Run by API workers.
  ('wan_2_2_i2v', 'api', 'generation', 'video', true),
  ('wan_2_2_t2i', 'api', 'generation', 'image', true),
  ('animate_character', 'api', 'generation', 'video', true),
  ('qwen_image', 'api', 'generation', 'image', true),
  ('qwen_image_2512', 'api', 'generation', 'image', true),
  ('qwen_image_edit', 'api', 'generation', 'image', true),
  ('qwen_image_style', 'api', 'generation', 'image', true),
  ('z_image_turbo', 'api', 'generation', 'image', true),
  ('z_image_turbo_i2i', 'api', 'generation', 'image', true),
  ('flux_klein_edit', 'api', 'generation', 'image', true),
  ('image_inpaint', 'api', 'processing', 'image', true),
  ('annotated_image_edit', 'api', 'processing', 'image', true),
  ('image_upscale', 'api', 'processing', 'image', true),
  ('image-upscale', 'api', 'processing', 'image', true),
  ('video_enhance', 'api', 'processing', 'video', true),
  ('video_upscale', 'api', 'generation', 'video', true),
  -- Run by a service of its own.
  ('banodoco_timeline_generate', 'banodoco', 'utility', null, false),
  ('banodoco_render_timeline', 'banodoco', 'generation', 'video', true),
  -- Direct runs of a model.
  ('magic_edit', 'gpu', 'generation', 'image', true),
  ('flux', 'gpu', 'generation', 'image', true),
  ('qwen_image_hires', 'gpu', 'generation', 'image', true),
  ('t2v', 'gpu', 'generation', 'video', true),
  ('t2v_22', 'gpu', 'generation', 'video', true),
  ('i2v', 'gpu', 'generation', 'video', true),
  ('i2v_22', 'gpu', 'generation', 'video', true),
  ('vace', 'gpu', 'generation', 'video', true),
  ('vace_21', 'gpu', 'generation', 'video', true),
  ('vace_22', 'gpu', 'generation', 'video', true),
  ('hunyuan', 'gpu', 'generation', 'video', true),
  ('ltxv', 'gpu', 'generation', 'video', true),
  ('ltx2', 'gpu', 'generation', 'video', true),
  ('generate_video', 'gpu', 'generation', 'video', true),
  ('video_generation', 'gpu', 'generation', 'video', true),
  -- File operations.
  ('inpaint_frames', 'gpu', 'processing', 'video', true),
  ('create_visualization', 'gpu', 'processing', 'video', true),
  ('rife_interpolate_images', 'gpu', 'processing', 'video', true),
  ('comfy', 'gpu', 'processing', 'video', true),
  ('extract_frame', 'gpu', 'utility', 'image', false),
  ('wgp', 'gpu', 'processing', 'video', false),
  ('lora_training', 'gpu', 'processing', null, false),
  -- Types of older clients, and one of a debug script.
  ('single_image', 'gpu', 'generation', 'image', true),
  ('image_edit', 'gpu', 'generation', 'image', true),
  ('edit_travel_kontext', 'gpu', 'generation', 'image', true),
  ('edit_travel_flux', 'gpu', 'generation', 'image', true),
  ('test', 'gpu', 'utility', null, false)
on conflict (name) do nothing;

-- Types of API workers that GPU workers can also run: machines of the task's owner run them
-- (fairlane_core.is_served_by).
update public.task_types as y
set runs_on_own_gpu = true
where y.run_type = 'api'
  and y.name in (
    'wan_2_2_t2i', 'qwen_image', 'qwen_image_2512', 'qwen_image_edit', 'qwen_image_style', 'z_image_turbo',
    'z_image_turbo_i2i', 'image_inpaint', 'annotated_image_edit'
  );

-- Workers of 30 and 31 March sent family names that the backend of those two days translated into types
-- (docs/contract.md, 16). A stitch of a travel job and one of joins came under one name; the parent tells them apart. A
-- join's orchestrator has orchestrator_details; a plain join_clips has none, and keeps its type.
insert into fairlane_core.family_names (family, parent_type, having_param, task_type)
values
  ('join_clips', '', 'orchestrator_details', 'join_clips_orchestrator'),
  ('individual_travel_segment', 'travel_orchestrator', '', 'travel_segment'),
  ('crossfade_join', 'travel_orchestrator', '', 'travel_stitch'),
  ('crossfade_join', 'join_clips_orchestrator', '', 'join_final_stitch'),
  ('crossfade_join', 'edit_video_orchestrator', '', 'join_final_stitch')
on conflict do nothing;

-- Settings of today's fleet that differ from the defaults of the tables (docs/operations.md, "Settings"). Set as column
-- defaults, so that a lost row that is created again (fairlane_core.rebuild, fairlane_core.missing_rows) has them, too.
-- A family with a failed child has no result; the backend that these clients know ends it as well. Users, projects and
-- credits belong to the app.
alter table fairlane_core.settings
  alter column registers_owners set default false,
  alter column requires_credits set default true,
  alter column owners_are_accounts set default false,
  alter column fails_siblings set default true,
  alter column shared_worker_ids set default array['gpu-20250723_221138-afa8403b', 'local-worker', 'token-worker'];
update fairlane_core.settings
set registers_owners = default, requires_credits = default, owners_are_accounts = default, fails_siblings = default, shared_worker_ids = default;

comment on column fairlane_core.settings.fails_siblings is
  'Whether the queued children of an orchestrator that failed, for instance because one of them did, fail with it; running ones go on. Default false: all go on. The fleet ships true.';

revoke all on table public.task_types, public.task_events
  from public, anon, authenticated, service_role;
revoke all on sequence public.task_events_id_seq from public, anon, authenticated, service_role;

select fairlane_core.lock_tables(
  'public.tasks',
  'public.users'
);

-- Which task waits for which and which is part of which: dependencies, children, orchestrators, hand-overs.

-- Which task waits for which. No foreign key on depends_on: a dependency may be missing, and the waiting task then
-- reports it (dependency_lost) instead of being refused.
create table fairlane_core.task_dependencies (
  task_id uuid not null,
  depends_on uuid not null,
  constraint task_dependencies_pkey primary key (task_id, depends_on),
  constraint task_dependencies_belong_to_a_task foreign key (task_id) references public.tasks (id) on delete cascade,
  constraint task_dependencies_are_on_another_task check (task_id <> depends_on)
);

create index task_dependencies_by_dependency on fairlane_core.task_dependencies (depends_on, task_id);

-- For the planner. Where ten thousand tasks wait for one, the measured statistics say that each task has as many
-- dependents, and inserting or ending any task would read them all.
alter table fairlane_core.task_dependencies alter column depends_on set (n_distinct = -1);

comment on table fairlane_core.task_dependencies is 'task_id may run once depends_on is Complete.';

alter table fairlane_core.task_dependencies enable row level security;

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
  constraint user_slots_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
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
  constraint user_queues_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
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
  constraint held_slots_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
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

-- Who may see and do what: all rights on one page. Nobody has a right that is not granted here. First everything is
-- revoked, because Postgres lets everybody execute a new function, and a platform may grant everybody every new object
-- of public; then each role gets what it needs. In public only the queue's own objects are named: those of the app are
-- not touched.

revoke all on schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all tables in schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all sequences in schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all functions in schema fairlane_core from public, anon, authenticated, service_role;
