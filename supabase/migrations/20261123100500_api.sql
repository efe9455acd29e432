-- What: the short list of functions that callers use.
-- Why: public holds what the Data API exposes and nothing else.
-- Back out: drop these functions; no data depends on them.

set lock_timeout = '5s';

-- The claim, as functions call it.
create function public.claim_next_task(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text default null,
  p_claim_id text default null,
  p_same_model_only boolean default false,
  p_max_task_wait_minutes numeric default null,
  p_dry_run boolean default false
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.claim_next_task(
    p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
  );
end;
$$;

comment on function public.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) is
  'Hands one task to the caller, or null when there is none. In: who calls, the worker''s id, the pool (gpu when null), claim_id (repeat it when the reply was lost: same answer), model affinity, minutes (fractions too) after which affinity no longer matters, dry run. Out: {task_id, task_type, params, project_id, lease_token, attempt}; a dry run answers {dry_run, available_tasks, task}. Errors: 400 INVALID_ARGUMENT, 403 UNKNOWN_TOKEN or FORBIDDEN, 409 WORKER_NOT_ELIGIBLE or CLAIM_ID_USED. service_role only.';

revoke all on function public.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) from public, anon, authenticated, service_role;
grant execute on function public.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) to service_role;

-- The counts, as functions call them.
create function public.task_counts(
  p_caller jsonb,
  p_run_type text default null,
  p_include_active boolean default true
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.task_counts(p_caller, p_run_type, p_include_active);
end;
$$;

comment on function public.task_counts(jsonb, text, boolean) is
  'What is claimable now, what is active and what is blocked why, in one pool (gpu, api) or both (null). Out: one JSON object, see docs/architecture.md; tasks in numbers, ages in seconds. A service caller sees the whole system, a token or user their own. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.task_counts(jsonb, text, boolean) from public, anon, authenticated, service_role;
grant execute on function public.task_counts(jsonb, text, boolean) to service_role;

-- Completion, as functions call it.
create function public.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text default null,
  p_thumbnail_url text default null,
  p_result_data jsonb default null,
  p_lease_token uuid default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.complete_task(p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token);
end;
$$;

comment on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid) is
  'Completes a task: status, output, result record, history and dependants in one transaction, once. A repeat changes nothing and answers what is stored. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id}. Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION, 403. service_role only.';

revoke all on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.complete_task(jsonb, uuid, text, text, jsonb, uuid) to service_role;

-- Status reports, as functions call them.
create function public.update_task_status(
  p_caller jsonb,
  p_task_id uuid,
  p_status text,
  p_output_location text default null,
  p_error_message text default null,
  p_error_details text default null,
  p_thumbnail_url text default null,
  p_result_data jsonb default null,
  p_reset_generation_started_at boolean default false,
  p_lease_token uuid default null
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.update_task_status(
    p_caller, p_task_id, p_status, p_output_location, p_error_message, p_error_details, p_thumbnail_url,
    p_result_data, p_reset_generation_started_at, p_lease_token
  );
end;
$$;

comment on function public.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) is
  'Reports on a task: In Progress with a text or a new billing start, Failed with a reason (error_message, else output_location, else error_details), Complete, Cancelled, or Queued to hand it back. Out: {task_id, status, output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id} and changed (false: only recorded; not in the reply to Complete). Errors: 404 TASK_NOT_FOUND, 409 LEASE_LOST or ILLEGAL_TRANSITION (both states in the message), 403. service_role only.';

revoke all on function public.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) from public, anon, authenticated, service_role;
grant execute on function public.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) to service_role;

-- Why a task is not running, as functions ask it.
create function public.explain_task(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.explain_task(p_caller, p_task_id);
end;
$$;

comment on function public.explain_task(jsonb, uuid) is
  'Why a task is not running: {task_id, status, claimable, reason, remedy, pool, attempts, max_attempts, available_at, worker_id, tasks_ahead (in its owner''s line, up to 10000), users_ahead, running, task_limit, waits_for}. Errors: 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.explain_task(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.explain_task(jsonb, uuid) to service_role;

-- Why a worker gets nothing, as functions ask it.
create function public.explain_worker(p_caller jsonb, p_worker_id text, p_run_type text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.explain_worker(p_caller, p_worker_id, p_run_type);
end;
$$;

comment on function public.explain_worker(jsonb, text, text) is
  'Why a worker gets nothing from a pool (gpu when null): {worker_id, known, status, last_heartbeat, current_model, pool, gets_work, reason, remedy, claimable, holds, blocked}. Reasons: worker_terminating, worker_terminated, worker_error, holds_all_it_may, nothing_claimable. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.explain_worker(jsonb, text, text) from public, anon, authenticated, service_role;
grant execute on function public.explain_worker(jsonb, text, text) to service_role;

-- A new personal access token. The only moment at which the token itself exists: it is answered and forgotten.
create function queue.create_api_token(p_label text, p_expires_at timestamptz)
returns text
language plpgsql
volatile
security definer -- signed-in users may not write the table
set search_path = ''
as $$
declare
  v_user_id uuid := (select auth.uid());
  v_token text;
begin
  if v_user_id is null then
    perform queue.refuse(403, 'FORBIDDEN', 'Only a signed-in user can create a token', 'Sign in');
  elsif p_expires_at <= queue.now() then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The time expires_at must lie ahead');
  elsif (
    select count(*)
    from public.user_api_tokens as k
    where k.user_id = v_user_id
      and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > queue.now())
  ) >= 20 then
    perform queue.refuse(409, 'TOO_MANY_TOKENS', 'A user has at most 20 tokens, all of yours are in use', 'Revoke one first');
  end if;

  -- Two version 4 UUIDs hold 244 random bits.
  v_token := 'tq_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');

  insert into public.user_api_tokens (user_id, label, token_hash, token_prefix, expires_at, created_at)
  values (
    v_user_id, coalesce(p_label, ''), encode(sha256(convert_to(v_token, 'UTF8')), 'hex'), left(v_token, 8),
    p_expires_at, queue.now()
  );
  return v_token;
end;
$$;

comment on function queue.create_api_token(text, timestamptz) is 'See public.create_api_token.';

revoke all on function queue.create_api_token(text, timestamptz) from public, anon, authenticated, service_role;
grant execute on function queue.create_api_token(text, timestamptz) to authenticated;

create function public.create_api_token(p_label text default '', p_expires_at timestamptz default null)
returns text
language sql
volatile
security invoker
set search_path = ''
as $$
  select queue.create_api_token(p_label, p_expires_at)
$$;

comment on function public.create_api_token(text, timestamptz) is
  'Creates a personal access token for the signed-in user and returns it, this once. Errors: 400 INVALID_ARGUMENT, 403 FORBIDDEN, 409 TOO_MANY_TOKENS.';

revoke all on function public.create_api_token(text, timestamptz) from public, anon, authenticated, service_role;
grant execute on function public.create_api_token(text, timestamptz) to authenticated;

-- Takes a personal access token back, effective at its next use.
create function queue.revoke_api_token(p_token_id uuid)
returns boolean
language plpgsql
volatile
security definer -- signed-in users may not write the table
set search_path = ''
as $$
begin
  update public.user_api_tokens as k
  set revoked_at = queue.now()
  where k.id = p_token_id
    and k.user_id = (select auth.uid())
    and k.revoked_at is null;
  return found;
end;
$$;

comment on function queue.revoke_api_token(uuid) is 'See public.revoke_api_token.';

revoke all on function queue.revoke_api_token(uuid) from public, anon, authenticated, service_role;
grant execute on function queue.revoke_api_token(uuid) to authenticated;

create function public.revoke_api_token(p_token_id uuid)
returns boolean
language sql
volatile
security invoker
set search_path = ''
as $$
  select queue.revoke_api_token(p_token_id)
$$;

comment on function public.revoke_api_token(uuid) is
  'Revokes one of the signed-in user''s tokens; false when there is no such token in use.';

revoke all on function public.revoke_api_token(uuid) from public, anon, authenticated, service_role;
grant execute on function public.revoke_api_token(uuid) to authenticated;

notify pgrst, 'reload schema';
