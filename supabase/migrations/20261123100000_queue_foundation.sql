-- What: schema queue with its settings, clock and refusals.
-- Why: every rule of the queue lives there, out of the Data API's reach.
-- Back out: drop schema queue cascade, before any later migration.

set lock_timeout = '5s';

-- Schema `queue` holds the rules and the derived state of the task queue. The Data API does not
-- expose it: callers use the short list of functions and the tables in `public`.
create schema queue;

comment on schema queue is
  'Rules and derived state of the task queue. Not exposed by the Data API; callers use the functions in public.';

revoke all on schema queue from public, anon, authenticated, service_role;

-- The thin public functions run as their caller and reach the definer functions in here.
grant usage on schema queue to authenticated, service_role;

-- Whatever is created later starts closed; each object grants what it means to grant.
alter default privileges in schema queue revoke all on tables from public, anon, authenticated, service_role;
alter default privileges in schema queue revoke all on sequences from public, anon, authenticated, service_role;
alter default privileges in schema queue revoke all on functions from public, anon, authenticated, service_role;

-- Every number the queue depends on, in one typed row. Operators change it with plain SQL:
--   update queue.settings set default_task_limit = 8;
create table queue.settings (
  is_only_row boolean not null default true,
  default_task_limit integer not null default 5,
  gpu_tasks_per_worker integer default 1,
  api_tasks_per_worker integer,
  max_attempts integer not null default 3,
  stale_after interval not null default interval '7 days',
  max_affinity_wait interval not null default interval '5 minutes',
  gpu_silence_limit interval not null default interval '100 seconds',
  shared_worker_ids text[] not null default array['gpu-20250723_221138-afa8403b'],
  max_text_length integer not null default 16384,
  clock_offset interval not null default interval '0',
  constraint settings_pkey primary key (is_only_row),
  constraint settings_has_one_row check (is_only_row),
  constraint settings_default_task_limit_is_not_negative check (default_task_limit >= 0),
  constraint settings_gpu_tasks_per_worker_is_positive check (gpu_tasks_per_worker > 0),
  constraint settings_api_tasks_per_worker_is_positive check (api_tasks_per_worker > 0),
  constraint settings_max_attempts_is_positive check (max_attempts > 0),
  constraint settings_stale_after_is_positive check (stale_after > interval '0'),
  constraint settings_max_affinity_wait_is_not_negative check (max_affinity_wait >= interval '0'),
  constraint settings_gpu_silence_limit_is_positive check (gpu_silence_limit > interval '0'),
  constraint settings_max_text_length_is_sane check (max_text_length between 500 and 1048576)
);

comment on table queue.settings is 'Every number the queue depends on; exactly one row.';
comment on column queue.settings.is_only_row is 'Always true: the key that keeps this table at one row.';
comment on column queue.settings.default_task_limit is
  'How many tasks a user may have In Progress at once when users.max_in_progress is null. Default 5.';
comment on column queue.settings.gpu_tasks_per_worker is
  'How many gpu tasks one worker holds at once; a claim beyond it gives back what it holds. Null = no limit. Default 1.';
comment on column queue.settings.api_tasks_per_worker is
  'The same for api tasks. Default null: one api worker runs as many as it asks for.';
comment on column queue.settings.max_attempts is
  'How often a task may be started before it ends Failed, when its type does not say. Default 3.';
comment on column queue.settings.stale_after is
  'A task that was never started and has no live parent is no longer handed out once it is this old. Default 7 days.';
comment on column queue.settings.max_affinity_wait is
  'A task that has waited this long goes to the next worker whatever model that has loaded, when the claim does not say how long. Default 5 minutes.';
comment on column queue.settings.gpu_silence_limit is
  'A gpu worker without a heartbeat for this long counts as gone. Default 100 seconds (five missed beats).';
comment on column queue.settings.shared_worker_ids is
  'Worker ids that several processes send (a worker started without a name): no per-worker limit, nothing is shared between them.';
comment on column queue.settings.max_text_length is
  'Error and progress texts longer than this many characters are cut on the task, with a mark; the event keeps the whole text. Default 16384.';
comment on column queue.settings.clock_offset is
  'Added to the clock by queue.now(). For tests only: it moves every deadline at once. Default 0.';

alter table queue.settings enable row level security;

revoke all on table queue.settings from public, anon, authenticated, service_role;
grant select on table queue.settings to service_role;

-- The only clock of the queue, so that a test can move every deadline at once.
-- Stable within a transaction, like now(): one snapshot, one time.
-- plpgsql, here and in the other small functions of the hot path: it keeps its plan between calls, while an SQL
-- function with a pinned search_path can neither be inlined nor keep one.
create function queue.now()
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return pg_catalog.now() + (select s.clock_offset from queue.settings as s);
end;
$$;

comment on function queue.now() is
  'The time every rule of the queue uses: the transaction''s clock plus queue.settings.clock_offset.';

revoke all on function queue.now() from public, anon, authenticated, service_role;

-- Every refusal leaves through here, so that each has a status, a stable code and words.
-- PostgREST turns SQLSTATE PTnnn into HTTP status nnn and shows detail and hint as they are.
create function queue.refuse(p_http_status integer, p_code text, p_message text, p_hint text default null)
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

comment on function queue.refuse(integer, text, text, text) is
  'Raises a refusal: SQLSTATE PT<http status>, the sentence as message, the stable code (docs/errors.md) as detail, what to do as hint.';

revoke all on function queue.refuse(integer, text, text, text) from public, anon, authenticated, service_role;

-- Error and progress texts may have any length; rows that are read all day should not.
create function queue.cut_text(p_text text)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max integer := (select s.max_text_length from queue.settings as s);
begin
  if pg_catalog.length(p_text) <= v_max then
    return p_text;
  end if;
  return pg_catalog.left(p_text, v_max)
    || pg_catalog.format(' … [cut: %s characters in all]', pg_catalog.length(p_text));
end;
$$;

comment on function queue.cut_text(text) is
  'The text, cut with a mark when it is longer than queue.settings.max_text_length characters; null stays null.';

revoke all on function queue.cut_text(text) from public, anon, authenticated, service_role;

insert into queue.settings (is_only_row) values (true);
