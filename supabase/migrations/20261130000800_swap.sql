-- What: brings the August 2025 tables to their present form, keeping every row.
-- Why: the status becomes text, and tokens must not be stored in plain text. The slow work was done by the files before
-- this one: nothing here reads or writes a million rows.
-- Back out: restore from backup; columns are only added, but plain tokens are replaced by their hashes.

set lock_timeout = '900ms';
select fairlane_core.lock_tables(
  'public.tasks', 'public.workers', 'public.users', 'public.projects', 'public.generations', 'public.system_logs',
  'public.user_api_tokens'
);

alter table public.workers drop constraint if exists workers_status_check;

-- The views of the fleet's earlier backend; they are made anew with the functions.
drop view if exists public.orchestrator_status, public.active_workers_health;

-- The contract's types: these columns are never null. tasks_are_complete has been validated, so no row is read.
alter table public.tasks
  alter column attempts set not null,
  alter column params set not null,
  alter column created_at set not null,
  alter column generation_created set not null,
  alter column status set not null;

do $$
begin
  if exists (
    select
    from pg_attribute as a
    where a.attrelid = 'public.tasks'::regclass
      and a.attname = 'status_as_text'
      and not a.attisdropped
  ) then
    alter table public.tasks alter column status_as_text set not null;
    -- This also drops the rule, which names the column.
    alter table public.tasks drop column status;
    alter table public.tasks rename column status_as_text to status;
  end if;
end;
$$;

alter table public.tasks drop constraint if exists tasks_are_complete;
alter table public.tasks alter column status set default 'Queued';

-- Rows are still completed until the queue's own triggers exist (20261130001000_functions.sql). Replaced, because
-- sessions cache plans of the function, including the type that is dropped now.
create or replace function public.complete_old_task()
returns trigger
language plpgsql
volatile
security definer -- whoever writes a task may not be allowed to read its project
set search_path = ''
as $$
begin
  new.params := coalesce(new.params, '{}');
  new.status := coalesce(new.status, 'Queued');
  new.attempts := coalesce(new.attempts, 0);
  new.created_at := coalesce(new.created_at, now());
  new.generation_created := coalesce(new.generation_created, false);
  if new.user_id is null and new.project_id is not null then
    select p.user_id into new.user_id from public.projects as p where p.id = new.project_id;
  end if;
  return new;
end;
$$;

do $$
begin
  drop type if exists public.task_status;
exception when dependent_objects_still_exist then
  raise notice 'The type public.task_status stays, because functions of before take it';
end;
$$;

update public.workers as w set metadata = '{}' where w.metadata is null or jsonb_typeof(w.metadata) <> 'object';
-- When they ended is unknown: their retention begins now.
update public.workers as w set ended_at = now() where w.status in ('terminated', 'error', 'crashed');
alter table public.workers
  alter column metadata set default '{}',
  alter column metadata set not null,
  add constraint workers_metadata_is_an_object check (jsonb_typeof(metadata) = 'object');

-- Tokens keep working, and their plain text is deleted.
update public.user_api_tokens as k
set token_hash = encode(sha256(convert_to(k.token, 'UTF8')), 'hex'), token_prefix = left(k.token, 4)
where k.token_hash is null;

alter table public.user_api_tokens
  drop column token,
  alter column token_hash set not null,
  add constraint user_api_tokens_hash_is_unique unique (token_hash),
  add constraint user_api_tokens_hash_is_sha256_hex check (token_hash ~ '^[0-9a-f]{64}$');

alter table public.generations
  add constraint generations_are_one_per_task unique using index generations_are_one_per_task;

-- Constraints are named after their rule.
do $$
declare
  v_renamed record;
begin
  for v_renamed in
    select *
    from (values
      ('public.projects', 'projects_user_id_fkey', 'projects_belong_to_a_user'),
      ('public.tasks', 'tasks_project_id_fkey', 'tasks_belong_to_a_project'),
      ('public.generations', 'generations_project_id_fkey', 'generations_belong_to_a_project'),
      ('public.user_api_tokens', 'user_api_tokens_user_id_fkey', 'user_api_tokens_belong_to_a_user')
    ) as r (table_name, old_name, new_name)
    where exists (
      select from pg_constraint as c where c.conrelid = r.table_name::regclass and c.conname = r.old_name
    )
  loop
    execute format(
      'alter table %s rename constraint %I to %I',
      v_renamed.table_name, v_renamed.old_name, v_renamed.new_name
    );
  end loop;
end;
$$;

-- From here on written by `npm run migrations`, from supabase/schemas.

comment on table public.users is 'Owners of work; id is the user''s id in auth.users.';
comment on column public.users.credits is 'Cloud work runs only while this is above 0.';
comment on column public.users.settings is
  'What the app stores about its user. The queue reads two switches in it, for cloud and for local work (fairlane_core.switch_path); missing or malformed = on.';
comment on column public.users.max_in_progress is
  'How many tasks may be In Progress at once; null = fairlane_core.settings.default_task_limit.';
comment on column public.users.max_orchestrating is
  'How many orchestration tasks may need a worker at once; null = fairlane_core.settings.default_orchestration_limit.';

comment on table public.projects is 'Groups tasks; a task''s owner is its project''s owner.';
comment on column public.projects.deleted_at is
  'Since when the project is deleted, while its tasks and results are deleted piece by piece; the row is deleted last.';

comment on table public.user_api_tokens is 'Personal access tokens, as SHA-256 hashes: 244 random bits need no slow hash.';
comment on column public.user_api_tokens.token_hash is 'SHA-256 of the token, hex.';
comment on column public.user_api_tokens.token_prefix is 'The first characters, so that the owner recognises it.';
comment on column public.user_api_tokens.expires_at is 'Not accepted from this time on; null = no end.';
comment on column public.user_api_tokens.revoked_at is 'Set when the owner revokes it; effective at the next call.';

-- Rows older than this rule are not validated.
alter table public.workers
  add constraint workers_times_are_finite check (isfinite(last_heartbeat) and isfinite(created_at)) not valid;

comment on table public.workers is 'Machines that have registered, by the id they send with every call.';
comment on column public.workers.status is
  'inactive, spawning, active, terminating, terminated, error or crashed; other values are stored as they come. terminating, terminated and error get no work.';
comment on column public.workers.last_heartbeat is 'Server time of the last heartbeat. Not indexed: it changes every 20 seconds.';
comment on column public.workers.current_model is 'The model the worker has loaded.';
comment on column public.workers.metadata is 'What the orchestrator and the heartbeats report about the machine; always an object.';
comment on column public.workers.reaped_at is
  'When the queue itself set the worker to error for its silence; null as soon as anybody else sets the status. No API role writes it.';
comment on column public.workers.failed_at is
  'When the worker failed: it crashed, was silent or never sent a heartbeat when it was set aside, or ended while it held work. Decided once, when the status changes; null once it lives again. Written by a trigger.';
comment on column public.workers.goodbye_at is
  'When the worker itself said, with a last heartbeat, that it ends; null once it sends a heartbeat or claims again, or anybody else sets the status. No API role writes it.';
comment on column public.workers.ended_at is
  'Since when the worker is terminated, crashed or in error; null while it is not. Written by a trigger.';
comment on column public.workers.kept_at is
  'Since when public.keep_worker keeps this machine: while it sends heartbeats, no orchestrator sets it aside. No API role writes it.';

alter table public.workers set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

comment on table public.tasks is 'One row per task. Its state changes only as docs/architecture.md says; an illegal direct change leaves its row as it is.';
comment on column public.tasks.task_type is 'Any text; task_types has what the queue knows about it.';
comment on column public.tasks.params is 'What the worker needs; handed out exactly as it came in.';
comment on column public.tasks.status is 'Queued, In Progress, Complete, Failed or Cancelled.';
comment on column public.tasks.dependant_on is 'The first dependency; all of them are in fairlane_core.task_dependencies.';
comment on column public.tasks.worker_id is 'Who holds the task or held it last, as the worker named itself; kept after completion.';
comment on column public.tasks.output_location is 'The result''s URL; while running a progress text; after a failure the reason, where deployed clients look.';
comment on column public.tasks.attempts is 'The number of attempts. Only a claim raises it.';
comment on column public.tasks.error_message is 'Why the task failed or was requeued; never null on a Failed task.';
comment on column public.tasks.error_details is 'Further text of a fatal error, as deployed workers write it.';
comment on column public.tasks.updated_at is 'Moves with every change and with every beat of the worker that runs the task.';
comment on column public.tasks.generation_started_at is 'Start of the billed part of the current attempt.';
comment on column public.tasks.generation_processed_at is 'When the task was completed.';
comment on column public.tasks.result_data is 'What the worker reported beside the output.';
comment on column public.tasks.generation_created is 'True once the task''s result record exists in generations.';
comment on column public.tasks.user_id is 'The owner: always the project''s owner. Null only on rows from before the column existed.';
comment on column public.tasks.run_type is 'cloud: workers with the service key or the owner''s own. local: only the owner''s own. Null only on rows from before the column existed; such rows wait until an operator decides.';
comment on column public.tasks.priority is 'Higher first, within the user queue.';
comment on column public.tasks.available_at is 'Not handed out before this time; null = at once.';
comment on column public.tasks.idempotency_key is 'Chosen by whoever enqueues; unique per owner.';
comment on column public.tasks.lease_token is 'The proof of the current attempt, new at each one. Null while Queued.';
comment on column public.tasks.claim_id is 'The claim request that took the task, so that its repetition gets the same answer.';
comment on column public.tasks.claimed_at is 'When the task was last handed out.';
comment on column public.tasks.delivered_at is 'When a call or a log first named the task since it was handed out: proof that the worker has it.';
comment on column public.tasks.token_id is 'The personal access token that holds the task; null for the service key.';
comment on column public.tasks.requeue_count is 'How often an operator requeued the finished task. Only queue functions write it.';
comment on column public.tasks.pool is 'Derived from task_types.run_type: which workers run it. Unknown type = gpu.';
comment on column public.tasks.takes_slot is 'Derived from task_types.category, without a row from the name: false for orchestration.';
comment on column public.tasks.model is 'Derived from params: the model the task wants; null = any.';
comment on column public.tasks.readiness is 'Derived: active (In Progress), ready, or the one reason of its own why a queued task waits; null once finished. Reasons of its owner are not in here, see fairlane_core.user_slots.cloud_reason.';

comment on column public.tasks.max_attempts is 'How many attempts this task gets before it ends Failed; null = as its type or the settings say.';
comment on column public.tasks.timeout is 'How long one attempt of this task may run; null = as its type says.';
comment on column public.tasks.reported_at is 'When a call or a log last named the task.';
comment on column public.tasks.released_at is
  'When the last of its dependencies completed, or an operator requeued it; null = neither. Its age counts from the latest of this, created_at and available_at.';
comment on column public.tasks.uncounted_releases is
  'How often its holder released the task, or it never reached the holder, since it was enqueued or requeued; max_uncounted_releases of these cost no attempt.';
comment on column public.tasks.file_location is
  'The file of a result that output_location describes in JSON; null where output_location is the result itself. Only queue functions write it.';
comment on column public.tasks.seen_at is
  'When the token that runs the task last gave a sign of life for it other than a report: a heartbeat of its machine, or a call that names the task.';
comment on column public.tasks.runs_on_own_gpu is
  'Derived from task_types: a task of another pool that GPU machines of its owner run, too (fairlane_core.is_served_by); false for tasks of gpu.';
comment on column public.tasks.is_beaten_for is 'True once the machine of a token has sent a heartbeat for this attempt: more are then expected.';
comment on column public.tasks.claim_repeats is
  'How often a claim that returned the task was answered again under its claim_id, since the task was enqueued or requeued; max_uncounted_releases of these cost no attempt.';
comment on column public.tasks.has_bounded_params is
  'True once a trigger has found the params within their bounds (fairlane_core.json_fault); false on rows from before the bounds existed, which claims measure.';

alter table public.tasks set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

comment on table public.generations is 'Result records; exactly one per completed task of a type that creates them.';
comment on column public.generations.type is 'image or video, from the task''s type.';
comment on column public.generations.location is 'Where the result is; null when the worker reported none. The task''s output_location, unless the app has moved it.';
comment on column public.generations.params is 'The task''s params at completion.';
comment on column public.generations.task_id is 'The task it came from; null when that task was deleted, or on rows from before the column existed.';
comment on column public.generations.parent_generation_id is 'The generation this one is a part of.';
comment on column public.generations.child_order is 'Its place among the parent''s parts.';
comment on column public.generations.is_child is 'True for a part of another generation.';
comment on column public.generations.based_on is 'The generation this one was made from.';

comment on table public.system_logs is 'Log lines of workers and orchestrators.';
comment on column public.system_logs.source_type is 'orchestrator_gpu, orchestrator_api, worker, edge_function, ...';
comment on column public.system_logs.task_id is 'Text, because clients also log about ids that are not UUIDs.';
