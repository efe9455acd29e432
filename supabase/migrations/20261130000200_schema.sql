-- What: schema fairlane_core with its settings, clock, refusals and locks.
-- Why: every rule of the queue lives there, out of the Data API's reach; the migrations that follow call its locks.
-- Back out: drop schema fairlane_core cascade, before any later migration.
-- Written by `npm run migrations`, from supabase/schemas.

set lock_timeout = '900ms';

-- The base of everything else: the schema, the one clock, the one way to refuse, and what migrations and callers do
-- when a table is locked. Migrations call these functions before any rule exists.

-- Schema `fairlane_core` holds the rules and the derived state of the task queue. The Data API does not
-- expose it: callers use the short list of functions and the tables in `public`.
create schema fairlane_core;

comment on schema fairlane_core is
  'Rules and derived state of the task queue. Not exposed by the Data API; callers use the functions in the API schema.';

-- Revokes what the platform's defaults grant on new objects of this schema. Postgres itself grants everybody execute on
-- a new function, and no per-schema default can revoke that. So 91_grants first revokes everything; tests in
-- supabase/tests/schema compare.
alter default privileges in schema fairlane_core revoke all on tables from public, anon, authenticated, service_role;
alter default privileges in schema fairlane_core revoke all on sequences from public, anon, authenticated, service_role;
alter default privileges in schema fairlane_core revoke all on functions from public, anon, authenticated, service_role;

-- The only clock of the queue, so that a test can move every deadline at once.
-- Stable within a transaction, like now(): one snapshot, one time.
-- plpgsql, here and in the other small functions of the hot path: it keeps its plan between calls, while an SQL
-- function with a pinned search_path can neither be inlined nor keep one.
-- The time every rule of the queue uses: the transaction's clock plus fairlane_core.settings.clock_offset.
create function fairlane_core.now()
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return pg_catalog.now() + (select s.clock_offset from fairlane_core.settings as s);
end;
$$;

-- Error and progress texts may have any length, but rows that are read all day should stay small.
-- Returns the text, cut with a mark if it is longer than fairlane_core.settings.max_text_length characters; one that it has
-- cut stays as it is, and so does null.
create function fairlane_core.cut_text(p_text text)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max integer := (select s.max_text_length from fairlane_core.settings as s);
begin
  -- Counting bytes takes constant time, counting characters does not.
  if octet_length(p_text) <= v_max
    or pg_catalog.length(p_text) <= v_max
    or (pg_catalog.length(p_text) <= v_max + 60 and p_text ~ ' … \[cut: \d+ characters in all\]$') then
    return p_text;
  end if;
  return pg_catalog.left(p_text, v_max)
    || pg_catalog.format(' … [cut: %s characters in all]', pg_catalog.length(p_text));
end;
$$;

-- While somebody holds a table lock (a migration, vacuum full, lock table), callers must not queue behind it: they
-- occupy connections that others need. So the API functions wait 200 ms for a lock and then say this.
-- Refuses a call that got 55P03 (lock_timeout): 503 UNAVAILABLE.
create function fairlane_core.refuse_while_locked()
returns void
language plpgsql
volatile
security definer -- the functions of the API run with their caller's rights
set search_path = ''
as $$
begin
  perform fairlane_core.refuse(
    503, 'UNAVAILABLE', 'Another session holds what this call needs',
    'Nothing was changed: repeat the same request; health names that session'
  );
end;
$$;

-- Every refusal goes through here, so that each one has a status, a stable code and a message.
-- PostgREST turns SQLSTATE PTnnn into HTTP status nnn and passes detail and hint on unchanged.
-- Raises a refusal: SQLSTATE PT<http status>, the sentence as message, the stable code (docs/errors.md) as detail, what
-- to do as hint.
create function fairlane_core.refuse(p_http_status integer, p_code text, p_message text, p_hint text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_hint is null then
    raise exception using errcode = 'PT' || p_http_status, message = p_message, detail = p_code;
  end if;
  raise exception using errcode = 'PT' || p_http_status, message = p_message, detail = p_code, hint = p_hint;
end;
$$;

-- An interrupted `create index concurrently` leaves an index that is maintained but never used, and the next `if not
-- exists` takes it for finished.
-- For migrations that build indexes concurrently: drops what an interrupted build has left on these tables.
create function fairlane_core.drop_unfinished_indexes(variadic p_tables regclass[])
returns void
language plpgsql
volatile
security invoker -- whoever may change the tables may drop their indexes
set search_path = ''
as $$
declare
  v_index regclass;
begin
  for v_index in
    select i.indexrelid
    from pg_catalog.pg_index as i
    where i.indrelid = any (p_tables)
      and not i.indisvalid
  loop
    perform fairlane_core.lock_tables(variadic p_tables);
    execute pg_catalog.format('drop index %s', v_index);
  end loop;
end;
$$;

-- A migration that changes a table needs it exclusively for a moment. While it waits, everybody else queues behind it,
-- and taking two tables one after the other can deadlock with claims that took them in the other order. So it takes all
-- of them at once or none, in attempts too short to be noticed.
-- For migrations: locks the tables for the transaction, all or none, without delaying any claim by a second. Raises
-- 55P03 when they were in use for about a minute.
create function fairlane_core.lock_tables(variadic p_tables regclass[])
returns void
language plpgsql
volatile
security invoker -- whoever may change the tables may lock them
set search_path = ''
as $$
declare
  v_tries constant integer := 100;
  v_lock_timeout text := pg_catalog.current_setting('lock_timeout');
  v_give_up_at timestamptz;
  v_table regclass;
begin
  for v_try in 1 .. v_tries loop
    begin
      -- One deadline for all tables together: others lack the tables already locked while we wait for the rest. The
      -- busier the tables are, the longer the attempts, but never long enough to delay a claim by a second.
      v_give_up_at := clock_timestamp() + least(50 + 10 * v_try, 800) * interval '1 millisecond';
      foreach v_table in array p_tables loop
        perform pg_catalog.set_config(
          'lock_timeout', greatest(1, ceil(1000 * extract(epoch from v_give_up_at - clock_timestamp()))) || 'ms', true
        );
        execute pg_catalog.format('lock table %s in access exclusive mode', v_table);
      end loop;
      perform pg_catalog.set_config('lock_timeout', v_lock_timeout, true);
      return;
    exception when lock_not_available or deadlock_detected then
      perform pg_catalog.pg_sleep(0.05 + 0.1 * pg_catalog.random());
    end;
  end loop;

  raise exception using
    errcode = 'lock_not_available',
    message = pg_catalog.format('Tables %s were in use all the time', pg_catalog.array_to_string(p_tables, ', ')),
    hint = 'End the long transaction that holds them (pg_stat_activity), then push again';
end;
$$;

-- How long to wait for somebody's open transaction is a setting, and each function takes a share of it: several waits
-- may follow each other, and for one row a caller may wait twice, behind other waiters and for the holder.
-- From here on the calling function waits for a lock at most this share of fairlane_core.settings.max_lock_wait. It
-- must have a lock_timeout of its own (set lock_timeout = ...), which restores the old value when it ends.
create function fairlane_core.limit_lock_waits(p_share numeric)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform set_config('lock_timeout', ceil(1000 * p_share * extract(epoch from s.max_lock_wait)) || 'ms', true)
  from fairlane_core.settings as s;
end;
$$;

-- Every number the queue depends on, in one typed row. Operators change it with plain SQL:
--   update fairlane_core.settings set default_task_limit = 8;
create table fairlane_core.settings (
  is_only_row boolean not null default true,
  default_task_limit integer not null default 5,
  gpu_tasks_per_worker integer default 1,
  api_tasks_per_worker integer,
  max_attempts integer not null default 3,
  stale_after interval not null default interval '7 days',
  max_affinity_wait interval not null default interval '5 minutes',
  gpu_heartbeat_timeout interval not null default interval '100 seconds',
  shared_worker_ids text[] not null default array['token-worker'],
  max_text_length integer not null default 16384,
  clock_offset interval not null default interval '0',
  retry_delay interval not null default interval '10 seconds',
  max_retry_delay interval not null default interval '15 minutes',
  family_quiet_after interval not null default interval '10 minutes',
  max_queued_per_user integer default 10000,
  max_logs_per_call integer not null default 1000,
  worker_start_limit interval not null default interval '10 minutes',
  stuck_after interval not null default interval '20 minutes',
  max_failure_rate numeric not null default 0.5,
  api_heartbeat_timeout interval not null default interval '7 minutes',
  token_heartbeat_timeout interval not null default interval '58 minutes',
  delivery_timeout interval not null default interval '15 minutes',
  dependency_grace interval not null default interval '1 hour',
  log_retention interval not null default interval '48 hours',
  event_retention interval,
  finished_task_retention interval,
  max_uncounted_releases integer not null default 10,
  max_lock_wait interval not null default interval '240 milliseconds',
  max_report_wait interval not null default interval '2 seconds',
  paused_pools text[] not null default '{}',
  deleted_user_retention interval not null default interval '30 days',
  worker_retention interval default interval '30 days',
  overlong_factor numeric not null default 5,
  overlong_after interval not null default interval '2 hours',
  default_orchestration_limit integer,
  held_slot_limit interval not null default interval '10 minutes',
  fails_siblings boolean not null default false,
  token_beat_timeout interval not null default interval '5 minutes',
  turn_memory interval not null default interval '1 minute',
  registers_owners boolean not null default true,
  requires_credits boolean not null default false,
  owners_are_accounts boolean not null default true,
  constraint settings_pkey primary key (is_only_row),
  constraint settings_has_one_row check (is_only_row),
  constraint settings_default_task_limit_is_not_negative check (default_task_limit >= 0),
  constraint settings_gpu_tasks_per_worker_is_positive check (gpu_tasks_per_worker > 0),
  constraint settings_api_tasks_per_worker_is_positive check (api_tasks_per_worker > 0),
  constraint settings_max_attempts_is_positive check (max_attempts > 0),
  constraint settings_stale_after_is_positive check (stale_after > interval '0'),
  constraint settings_max_affinity_wait_is_not_negative check (max_affinity_wait >= interval '0'),
  constraint settings_gpu_heartbeat_timeout_is_positive check (gpu_heartbeat_timeout > interval '0'),
  constraint settings_max_text_length_is_sane check (max_text_length between 500 and 1048576),
  constraint settings_retry_delays_are_in_order check (retry_delay >= interval '0' and max_retry_delay >= retry_delay),
  constraint settings_family_quiet_after_is_positive check (family_quiet_after > interval '0'),
  constraint settings_max_queued_per_user_is_not_negative check (max_queued_per_user >= 0),
  constraint settings_max_logs_per_call_is_positive check (max_logs_per_call > 0),
  constraint settings_worker_start_limit_is_positive check (worker_start_limit > interval '0'),
  constraint settings_stuck_after_is_positive check (stuck_after > interval '0'),
  constraint settings_max_failure_rate_is_a_share check (max_failure_rate between 0 and 1),
  constraint settings_heartbeat_timeouts_are_positive check (
    api_heartbeat_timeout > interval '0' and token_heartbeat_timeout > interval '0' and delivery_timeout > interval '0'
  ),
  constraint settings_retentions_are_positive check (
    dependency_grace > interval '0' and log_retention > interval '0' and event_retention > interval '0'
    and finished_task_retention > interval '0'
  ),
  constraint settings_max_uncounted_releases_is_not_negative check (max_uncounted_releases >= 0),
  constraint settings_max_lock_wait_is_sane check (max_lock_wait between interval '2 milliseconds' and interval '1 minute'),
  constraint settings_max_report_wait_is_sane check (max_report_wait between interval '2 milliseconds' and interval '1 minute'),
  constraint settings_paused_pools_are_pools check (paused_pools <@ array['gpu', 'api']),
  constraint settings_deleted_user_retention_is_not_negative check (deleted_user_retention >= interval '0'),
  constraint settings_worker_retention_is_positive check (worker_retention > interval '0'),
  constraint settings_overlong_limits_are_positive check (overlong_factor >= 1 and overlong_after > interval '0'),
  constraint settings_max_attempts_is_at_most_1000 check (max_attempts <= 1000),
  -- A time minus or plus a setting must still be a valid time.
  constraint settings_intervals_are_at_most_100_years check (
    greatest(
      stale_after, max_affinity_wait, gpu_heartbeat_timeout, clock_offset, -clock_offset, retry_delay, max_retry_delay,
      family_quiet_after, worker_start_limit, stuck_after, api_heartbeat_timeout, token_heartbeat_timeout,
      delivery_timeout, dependency_grace, log_retention, event_retention, finished_task_retention
    ) <= interval '100 years'
  ),
  constraint settings_default_orchestration_limit_is_not_negative check (default_orchestration_limit >= 0),
  constraint settings_held_slot_limit_is_positive check (held_slot_limit > interval '0'),
  constraint settings_turn_memory_is_sane check (turn_memory between interval '0' and interval '1 day'),
  constraint settings_token_beat_timeout_is_sane check (token_beat_timeout between interval '1 second' and interval '100 years')
);

comment on table fairlane_core.settings is 'Every number the queue depends on; exactly one row.';
comment on column fairlane_core.settings.is_only_row is 'Always true: the key that keeps this table at one row.';
comment on column fairlane_core.settings.default_task_limit is
  'How many tasks a user may have In Progress at once when users.max_in_progress is null. Default 5.';
comment on column fairlane_core.settings.gpu_tasks_per_worker is
  'How many gpu tasks one worker holds at once; a claim beyond it returns a task that it already holds. Null = no limit. Default 1.';
comment on column fairlane_core.settings.api_tasks_per_worker is
  'The same for api tasks. Default null: one api worker runs as many as it asks for.';
comment on column fairlane_core.settings.max_attempts is
  'How many attempts a task gets before it ends Failed, when its type does not say. Default 3.';
comment on column fairlane_core.settings.stale_after is
  'A task that could have run for this long, was never started and has no live parent is no longer handed out. Time in which the queue stood still does not count. Default 7 days.';
comment on column fairlane_core.settings.max_affinity_wait is
  'A task that has waited this long goes to the next worker whatever model that has loaded, when the claim does not say how long. Default 5 minutes.';
comment on column fairlane_core.settings.gpu_heartbeat_timeout is
  'A gpu worker without a heartbeat for this long counts as gone. Default 100 seconds (five missed heartbeats).';
comment on column fairlane_core.settings.shared_worker_ids is
  'Worker ids that several processes send (workers started without a name; token-worker = a claim that names none): no per-worker limit, nothing is shared between them.';
comment on column fairlane_core.settings.max_text_length is
  'Error and progress texts longer than this many characters are cut on the task, with a mark; the event keeps up to 80 KiB, the beginning and the end. Default 16384.';
comment on column fairlane_core.settings.clock_offset is
  'Added to the clock by fairlane_core.now(). For tests only: it moves every deadline at once. Default 0.';
comment on column fairlane_core.settings.retry_delay is
  'How long a task waits after its first failed attempt; each further one doubles the wait. Default 10 seconds.';
comment on column fairlane_core.settings.max_retry_delay is 'The longest such wait. Default 15 minutes.';
comment on column fairlane_core.settings.family_quiet_after is
  'An orchestrator whose announced parts all exist, but which never reported that it has enqueued them, ends as its children say once its family has been quiet for this long; one without children that nothing names for as long ends. Default 10 minutes.';
comment on column fairlane_core.settings.max_queued_per_user is
  'How many tasks a user may have queued; beyond it the user''s own inserts are refused (429 QUEUE_FULL). The service key and children of a started orchestrator are not bound by it. Null = no bound. Default 10000.';
comment on column fairlane_core.settings.max_logs_per_call is
  'How many log lines one heartbeat or batch may bring; lines beyond that are counted as errors. Default 1000.';
comment on column fairlane_core.settings.worker_start_limit is
  'A worker that has not sent its first heartbeat counts as starting for this long. Default 10 minutes.';
comment on column fairlane_core.settings.stuck_after is
  'A running task that no call and no log has named for this long is flagged as stuck, whatever its worker''s heartbeats say. Default 20 minutes.';
comment on column fairlane_core.settings.max_failure_rate is
  'When this share of the workers has failed within the window (three at least), worker-health advises against renting more. Default 0.5.';
comment on column fairlane_core.settings.api_heartbeat_timeout is
  'An api worker that gave no sign of life (a call, a log line, a heartbeat) for this long loses its tasks. Default 7 minutes.';
comment on column fairlane_core.settings.token_heartbeat_timeout is
  'The same for users'' own machines that send no heartbeats. Default 58 minutes: with the job''s minute, and one run missed, an hour.';
comment on column fairlane_core.settings.token_beat_timeout is
  'The same once such a machine has sent a heartbeat for the task. Default 5 minutes: connections at home fail more often than those of data centres.';
comment on column fairlane_core.settings.delivery_timeout is
  'A gpu task that no call or log has named for this long, while its worker sends heartbeats, never reached it. Default 15 minutes.';
comment on column fairlane_core.settings.dependency_grace is
  'How long a task may wait for a task that has failed or does not exist before it is cancelled. Default 1 hour.';
comment on column fairlane_core.settings.log_retention is 'How long system_logs are kept. Default 48 hours.';
comment on column fairlane_core.settings.max_uncounted_releases is
  'How many attempts of a task may go uncounted, because its holder releases the task, it never reached its worker, or it is handed out again because its reply was lost, and how often a claim is answered again under its claim_id; after that each one counts, until somebody requeues the task. Default 10.';
comment on column fairlane_core.settings.max_lock_wait is
  'How long a claim waits for one other transaction that holds what it needs, before it answers without it; heartbeats and jobs wait about half as long. Default 240 ms.';
comment on column fairlane_core.settings.max_report_wait is
  'How long a worker''s report waits for an owner whom another transaction holds, before it is told to repeat the report. Default 2 seconds.';
comment on column fairlane_core.settings.worker_retention is
  'How long rows of workers are kept after they ended and fell silent; null = for ever. Default 30 days.';
comment on column fairlane_core.settings.overlong_factor is
  'An attempt that runs for this many times what is usual for its type (and longer than stuck_after) is flagged as overlong. Default 5.';
comment on column fairlane_core.settings.overlong_after is
  'The same for a type of which too few tasks have completed to say what is usual. Default 2 hours.';
comment on column fairlane_core.settings.default_orchestration_limit is
  'How many orchestration tasks of a user may need a worker at once when users.max_orchestrating is null. Default null: as many as the user may run tasks.';
comment on column fairlane_core.settings.held_slot_limit is
  'How long at most an attempt that somebody other than its holder ended keeps its slot. Default 10 minutes.';
comment on column fairlane_core.settings.turn_memory is
  'How long an attempt that somebody other than its holder ended still counts for its owner''s turn once the holder has let go. Default 1 minute.';
comment on column fairlane_core.settings.fails_siblings is
  'Whether the queued children of an orchestrator that failed, for instance because one of them did, fail with it; running ones go on. Default false: all go on.';
comment on column fairlane_core.settings.registers_owners is
  'Whether an owner gets a row when first seen, and a task may name its owner without a project. False: the app keeps owners and projects, and a task belongs to the owner of its project. Default true; the fleet ships false.';
comment on column fairlane_core.settings.owners_are_accounts is
  'Whether an owner must have an account (auth.users) to be registered, and is deleted with everything once the account is gone (fairlane_core.delete_owners_without_account). False: any uuid. Default true; the fleet, whose app deletes its users itself, ships false.';
comment on column fairlane_core.settings.requires_credits is
  'Whether cloud tasks run only while their owner has credits. Default false; the fleet ships true.';
comment on column fairlane_core.settings.event_retention is 'How long task_events are kept; null = for ever. Default null.';
comment on column fairlane_core.settings.deleted_user_retention is
  'How long the history of a deleted user is kept. Default 30 days.';
comment on column fairlane_core.settings.finished_task_retention is
  'How long finished tasks are kept after their last change; null = for ever. Default null.';
comment on column fairlane_core.settings.paused_pools is
  'Pools (fairlane_core.pools) whose tasks no claim gets for now (pool_paused); running ones go on. Default none.';

alter table fairlane_core.settings enable row level security;

insert into fairlane_core.settings (is_only_row) values (true);

-- Who may see and do what: all rights on one page. Nobody has a right that is not granted here. First everything is
-- revoked, because Postgres lets everybody execute a new function, and a platform may grant everybody every new object
-- of public; then each role gets what it needs. In public only the queue's own objects are named: those of the app are
-- not touched.

revoke all on schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all tables in schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all sequences in schema fairlane_core from public, anon, authenticated, service_role;
revoke all on all functions in schema fairlane_core from public, anon, authenticated, service_role;
