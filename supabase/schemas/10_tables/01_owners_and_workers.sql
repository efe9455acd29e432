-- Who owns tasks: users, their projects, the tokens of their machines, and deleted users. Who runs tasks: workers, ends
-- reported by heartbeats, refused claims. And who calls.

-- The owner of work: credits, switches, and how many tasks may run at once.
create table fairlane.owners (
  id uuid not null,
  credits numeric not null default 0,
  settings jsonb,
  created_at timestamptz not null default now(),
  max_in_progress integer,
  max_orchestrating integer,
  constraint users_pkey primary key (id),
  constraint users_max_in_progress_is_not_negative check (max_in_progress >= 0),
  constraint users_max_orchestrating_is_not_negative check (max_orchestrating >= 0)
);

comment on table fairlane.owners is 'Owners of work; id is the user''s id in auth.users.';
comment on column fairlane.owners.credits is 'Cloud work runs only while this is above 0.';
comment on column fairlane.owners.settings is
  'What the app stores about its user. The queue reads two switches in it, for cloud and for local work (fairlane_core.switch_path); missing or malformed = on.';
comment on column fairlane.owners.max_in_progress is
  'How many tasks may be In Progress at once; null = fairlane_core.settings.default_task_limit.';
comment on column fairlane.owners.max_orchestrating is
  'How many orchestration tasks may need a worker at once; null = fairlane_core.settings.default_orchestration_limit.';

alter table fairlane.owners enable row level security;

-- A project groups tasks and determines their owner.
create table fairlane.projects (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  name text not null default '',
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint projects_pkey primary key (id),
  constraint projects_belong_to_a_user foreign key (user_id) references fairlane.owners (id) on delete cascade
);

create index projects_by_user on fairlane.projects (user_id);

comment on table fairlane.projects is 'Groups tasks; a task''s owner is its project''s owner.';
comment on column fairlane.projects.deleted_at is
  'Since when the project is deleted, while its tasks and results are deleted piece by piece; the row is deleted last.';

alter table fairlane.projects enable row level security;

-- Personal access tokens of users' own machines. Only a hash is stored: the contents of the table grant no access.
create table fairlane.user_api_tokens (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  label text not null default '',
  created_at timestamptz not null default now(),
  token_hash text not null,
  token_prefix text not null default '',
  expires_at timestamptz,
  revoked_at timestamptz,
  constraint user_api_tokens_pkey primary key (id),
  constraint user_api_tokens_hash_is_unique unique (token_hash),
  constraint user_api_tokens_hash_is_sha256_hex check (token_hash ~ '^[0-9a-f]{64}$'),
  constraint user_api_tokens_belong_to_a_user foreign key (user_id) references fairlane.owners (id) on delete cascade
);

create index user_api_tokens_by_user on fairlane.user_api_tokens (user_id);

comment on table fairlane.user_api_tokens is 'Personal access tokens, as SHA-256 hashes: 244 random bits need no slow hash.';
comment on column fairlane.user_api_tokens.token_hash is 'SHA-256 of the token, hex.';
comment on column fairlane.user_api_tokens.token_prefix is 'The first characters, so that the owner recognises it.';
comment on column fairlane.user_api_tokens.expires_at is 'Not accepted from this time on; null = no end.';
comment on column fairlane.user_api_tokens.revoked_at is 'Set when the owner revokes it; effective at the next call.';

alter table fairlane.user_api_tokens enable row level security;

-- Users who were deleted, kept until the history has forgotten them too. Everything else of theirs is deleted with
-- their row.
create table fairlane_core.deleted_users (
  user_id uuid not null,
  deleted_at timestamptz not null,
  constraint deleted_users_pkey primary key (user_id)
);

comment on table fairlane_core.deleted_users is
  'Users who were deleted but are still named in fairlane.task_events, until fairlane_core.settings.deleted_user_retention has passed.';
comment on column fairlane_core.deleted_users.deleted_at is 'When the row of fairlane.owners was deleted, or when that was first noticed.';

alter table fairlane_core.deleted_users enable row level security;

-- Machines that announced themselves. API workers and users' own machines may never appear here.
create table fairlane.workers (
  id text not null,
  instance_type text not null default 'external',
  status text not null default 'inactive',
  last_heartbeat timestamptz,
  created_at timestamptz not null default now(),
  metadata jsonb not null default '{}',
  current_model text,
  reaped_at timestamptz,
  failed_at timestamptz,
  goodbye_at timestamptz,
  ended_at timestamptz,
  kept_at timestamptz,
  constraint workers_pkey primary key (id),
  constraint workers_metadata_is_an_object check (jsonb_typeof(metadata) = 'object')
);

-- Rows older than this rule are not validated.
alter table fairlane.workers
  add constraint workers_times_are_finite check (isfinite(last_heartbeat) and isfinite(created_at)) not valid;

-- For the list in every orchestrator's cycle, newest first. A heartbeat changes nothing in it.
create index workers_by_age on fairlane.workers (created_at);

comment on table fairlane.workers is 'Machines that have registered, by the id they send with every call.';
comment on column fairlane.workers.status is
  'inactive, spawning, active, terminating, terminated, error or crashed; other values are stored as they come. terminating, terminated and error get no work.';
comment on column fairlane.workers.last_heartbeat is 'Server time of the last heartbeat. Not indexed: it changes every 20 seconds.';
comment on column fairlane.workers.current_model is 'The model the worker has loaded.';
comment on column fairlane.workers.metadata is 'What the orchestrator and the heartbeats report about the machine; always an object.';
comment on column fairlane.workers.reaped_at is
  'When the queue itself set the worker to error for its silence; null as soon as anybody else sets the status. No API role writes it.';
comment on column fairlane.workers.failed_at is
  'When the worker failed: it crashed, was silent or never sent a heartbeat when it was set aside, or ended while it held work. Decided once, when the status changes; null once it lives again. Written by a trigger.';
comment on column fairlane.workers.goodbye_at is
  'When the worker itself said, with a last heartbeat, that it ends; null once it sends a heartbeat or claims again, or anybody else sets the status. No API role writes it.';
comment on column fairlane.workers.ended_at is
  'Since when the worker is terminated, crashed or in error; null while it is not. Written by a trigger.';
comment on column fairlane.workers.kept_at is
  'Since when fairlane.keep_worker keeps this machine: while it sends heartbeats, no orchestrator sets it aside. No API role writes it.';

alter table fairlane.workers set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

alter table fairlane.workers enable row level security;

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
