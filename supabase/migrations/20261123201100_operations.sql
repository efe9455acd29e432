-- What: what callers and jobs do with tasks.
-- Why: each is one function in one transaction.
-- Back out: apply the versions of these functions that the migrations before this one hold.

set lock_timeout = '900ms';
select queue.lock_tables('public.workers', 'queue.user_lines');

-- Hands a queued task out: a new lease, one more attempt. The task and its owner's slots are locked by the caller.
-- It keeps the counters itself instead of leaving them to tasks_after_update (which does not run while
-- queue.counts_itself is on); what it must come to is the same, and queue.drift says whether it did.
-- queue.claim_next_task says the same once more for the plain claim.
create or replace function queue.start_task(p_task_id uuid, p_worker_id text, p_token_id uuid, p_claim_id text, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
  v_slots queue.user_slots;
  v_slot integer;
  v_cloud integer;
  v_by_key integer;
begin
  perform set_config('queue.counts_itself', 'on', true);
  update public.tasks as t
  set status = 'In Progress',
    standing = 'active',
    worker_id = p_worker_id,
    token_id = p_token_id,
    claim_id = p_claim_id,
    lease_token = gen_random_uuid(),
    attempts = t.attempts + 1,
    claimed_at = p_now,
    generation_started_at = p_now,
    delivered_at = null,
    updated_at = p_now
  where t.id = p_task_id
  returning t.* into v_task;
  perform set_config('queue.counts_itself', 'off', true);

  v_slot := v_task.takes_slot::integer;
  update queue.user_slots as s
  set running = s.running + v_slot,
    cloud_reason = coalesce(nullif(s.cloud_reason, 'user_at_limit'), case when s.running + v_slot >= s.task_limit then 'user_at_limit' end),
    local_reason = coalesce(nullif(s.local_reason, 'user_at_limit'), case when s.running + v_slot >= s.task_limit then 'user_at_limit' end)
  where s.user_id = v_task.user_id
  returning s.* into v_slots;

  -- Both of the owner's lines: the task leaves one, and what runs has changed for either.
  v_cloud := (v_task.run_type = 'cloud')::integer;
  v_by_key := (p_token_id is null)::integer;
  update queue.user_lines as l
  set ready_cloud = l.ready_cloud - v_cloud * v_slot,
    ready_cloud_orchestration = l.ready_cloud_orchestration - v_cloud * (1 - v_slot),
    ready_local = l.ready_local - (1 - v_cloud) * v_slot,
    ready_local_orchestration = l.ready_local_orchestration - (1 - v_cloud) * (1 - v_slot),
    active_cloud = l.active_cloud + v_by_key * v_slot,
    active_cloud_orchestration = l.active_cloud_orchestration + v_by_key * (1 - v_slot),
    active_local = l.active_local + (1 - v_by_key) * v_slot,
    active_local_orchestration = l.active_local_orchestration + (1 - v_by_key) * (1 - v_slot),
    running = v_slots.running,
    is_open = v_slots.cloud_reason is null and l.ready_cloud + l.ready_cloud_orchestration - v_cloud > 0,
    turn_at = case when p_token_id is null then p_now else l.turn_at end
  where l.user_id = v_task.user_id
    and l.pool = v_task.pool;

  update queue.user_lines as l
  set running = v_slots.running, is_open = v_slots.cloud_reason is null
  where l.user_id = v_task.user_id
    and l.pool = case v_task.pool when 'gpu' then 'api' else 'gpu' end
    and l.ready_cloud + l.ready_cloud_orchestration > 0;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
  values (
    v_task.id, v_task.user_id, p_now, 'Queued', 'In Progress', p_worker_id, v_task.attempts,
    coalesce('token:' || p_token_id, 'service')
  );

  return v_task;
end;
$$;

comment on function queue.start_task(uuid, text, uuid, text, timestamptz) is
  'Makes this worker (and token, and claim request) the holder of a queued task under a new lease, counts the start and the slot.';

revoke all on function queue.start_task(uuid, text, uuid, text, timestamptz) from public, anon, authenticated, service_role;

-- A worker that claims although it holds all it may. Either it never heard of the task (the reply was lost: the same
-- attempt under a new lease) or it died and came back under its name (a new start, and the end of the task when that
-- was its last).
create or replace function queue.give_back_held_task(
  p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text, p_now timestamptz
)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_limit integer;
  v_held_count integer;
  v_held_id uuid;
  v_held public.tasks;
  v_reason text;
begin
  select case p_pool when 'gpu' then s.gpu_tasks_per_worker else s.api_tasks_per_worker end
  into v_limit
  from queue.settings as s
  where p_worker_id <> all (s.shared_worker_ids);

  if v_limit is null then
    return null;
  end if;

  -- Two claims at once under one name: the second waits here and then sees what the first got.
  perform pg_advisory_xact_lock(
    hashtextextended('queue.holder:' || coalesce(p_caller.token_id::text, '') || ':' || p_worker_id, 0)
  );

  select count(*), (array_agg(t.id order by t.claimed_at))[1]
  into v_held_count, v_held_id
  from public.tasks as t
  where t.worker_id = p_worker_id
    and t.status = 'In Progress'
    and t.token_id is not distinct from p_caller.token_id
    and t.pool = p_pool
    and t.takes_slot;

  if v_held_count < v_limit then
    return null;
  end if;

  -- It may be ending just now; then the worker holds it no more.
  select t.*
  into v_held
  from public.tasks as t
  where t.id = v_held_id
    and t.status = 'In Progress'
    and t.worker_id = p_worker_id
  for no key update;

  if v_held.id is null then
    return null;
  end if;

  perform queue.say(queue.caller_name(p_caller));
  if v_held.delivered_at is null then
    update public.tasks as t
    set lease_token = gen_random_uuid(), claim_id = p_claim_id, claimed_at = p_now
    where t.id = v_held.id
    returning t.* into v_held;
  elsif v_held.attempts < queue.starts_allowed(v_held) then
    v_held := queue.restart_task(v_held.id, p_claim_id, p_now);
  else
    v_reason := pg_catalog.format(
      'Given up after %s starts: worker %s claimed again without finishing it', v_held.attempts, p_worker_id
    );
    update public.tasks as t
    set status = 'Failed', error_message = v_reason, output_location = v_reason
    where t.id = v_held.id;
    v_held := null;
  end if;
  perform queue.say(null);
  return v_held;
end;
$$;

comment on function queue.give_back_held_task(queue.caller, text, text, text, timestamptz) is
  'The task that a worker at its own limit already holds, handed out again; null when it may take another one.';

revoke all on function queue.give_back_held_task(queue.caller, text, text, text, timestamptz) from public, anon, authenticated, service_role;

-- What a claim would find, without taking it or locking anything.
create or replace function queue.preview_claim(p_caller queue.caller, p_pool text)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_load queue.load_summary := queue.load_summary(p_caller, p_pool);
  v_turns queue.user_load_row[] := array(select u from queue.users_in_turn(p_caller, p_pool, v_load, 1) as u);
  v_task public.tasks;
begin
  select t.*
  into v_task
  from queue.next_tasks(p_caller, p_pool, 1, v_turns) as n
    join public.tasks as t on t.id = n.task_id;

  return json_build_object(
    'dry_run', true,
    'available_tasks', v_load.claimable,
    'task', case when v_task.id is not null then queue.claim_reply(v_task)::jsonb - 'lease_token' end
  );
end;
$$;

comment on function queue.preview_claim(queue.caller, text) is
  'What a claim by this caller in this pool would find: {"dry_run":true,"available_tasks":n,"task":{…}|null}. Changes nothing.';

revoke all on function queue.preview_claim(queue.caller, text) from public, anon, authenticated, service_role;

-- The job that takes work back may itself be dead. Then a claim that finds nothing does its work, at most once in two of
-- its periods. While the job runs, this only reads one row.
create function queue.rescue_when_late()
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
begin
  if not exists (
    select
    from queue.job_runs as r
    where r.job = 'rescue'
      and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period
  ) or not pg_try_advisory_xact_lock(hashtextextended('queue.rescue_when_late', 0)) then
    return 0;
  end if;

  -- Another claim may have been here since this statement's snapshot was taken.
  update queue.job_runs as r
  set stood_in_at = v_now
  where r.job = 'rescue'
    and greatest(r.scheduled_at, r.ran_at, r.stood_in_at) < v_now - 2 * r.period;
  if not found then
    return 0;
  end if;
  return coalesce((queue.rescue() ->> 'put_back')::integer, 0);
end;
$$;

comment on function queue.rescue_when_late() is
  'Does the work of the job rescue when that has not run for two periods, and returns how many tasks it put back; else 0.';

revoke all on function queue.rescue_when_late() from public, anon, authenticated, service_role;

-- Every claim that is not plain (queue.claim_next_task): with a token, a claim_id, a model, work already held, tasks
-- that have just become due, users whom others are serving. One step at a time, each looked at under its lock.
create function queue.claim_with_care(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text,
  p_claim_id text,
  p_same_model_only boolean,
  p_max_task_wait_minutes numeric,
  p_dry_run boolean
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token']);
  v_pool text := coalesce(p_run_type, 'gpu');
  v_now timestamptz := queue.now();
  v_affinity queue.affinity;
  v_task public.tasks;
begin
  if coalesce(p_worker_id, '') = '' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A claim names its worker, worker_id is empty', 'Send a worker_id');
  elsif v_pool not in ('gpu', 'api') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be gpu or api, not %s', v_pool));
  end if;

  -- The workers table is the fleet's: API workers are not in it, and a user's machine may choose any id.
  if v_caller.kind = 'service' and exists (select from public.workers as w where w.id = p_worker_id) then
    v_affinity := queue.affinity_of(p_worker_id, p_same_model_only, p_max_task_wait_minutes);
  end if;

  if p_dry_run then
    return queue.preview_claim(v_caller, v_pool);
  end if;

  if p_claim_id is not null then
    v_task := queue.repeat_claim(v_caller, p_worker_id, p_claim_id);
    if v_task.id is not null then
      return queue.claim_reply(v_task);
    end if;
  end if;

  v_task := queue.give_back_held_task(v_caller, p_worker_id, v_pool, p_claim_id, v_now);
  if v_task.id is null and v_caller.kind = 'token' then
    v_task := queue.take_own_task(v_caller, p_worker_id, v_pool, p_claim_id, v_affinity, v_now);
  elsif v_task.id is null then
    v_task := queue.take_next_task(v_caller, p_worker_id, v_pool, p_claim_id, v_affinity, v_now);
    if v_task.id is null and queue.rescue_when_late() > 0 then
      v_task := queue.take_next_task(v_caller, p_worker_id, v_pool, p_claim_id, v_affinity, v_now);
    end if;
  end if;

  return case when v_task.id is not null then queue.claim_reply(v_task) end;
end;
$$;

comment on function queue.claim_with_care(jsonb, text, text, text, boolean, numeric, boolean) is
  'The claim in all its cases; arguments and answer are those of public.claim_next_task.';

revoke all on function queue.claim_with_care(jsonb, text, text, text, boolean, numeric, boolean) from public, anon, authenticated, service_role;

-- The claim (docs/architecture.md): one task to one caller, the owner's limit exact, users in turn.
--
-- The plain case is one question and one statement: a worker with the service key that has no model loaded and holds
-- nothing. All else is left to queue.claim_with_care. What the statement does is said once more there, so whoever
-- changes one changes the other: the turn is that of queue.take_next_task, the start that of queue.start_task, the
-- reply queue.claim_reply. claim_next_task/plain_and_careful_claims_agree.test.sql compares what they leave behind.
create or replace function queue.claim_next_task(
  p_caller jsonb,
  p_worker_id text,
  p_run_type text,
  p_claim_id text,
  p_same_model_only boolean,
  p_max_task_wait_minutes numeric,
  p_dry_run boolean
)
returns json
language plpgsql
volatile
security definer -- writes lease columns, which no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_pool text := coalesce(p_run_type, 'gpu');
  v_now timestamptz;
  v_old_before timestamptz;
  v_has_open boolean;
  v_reply json;
begin
  if p_caller ->> 'kind' = 'service' and p_worker_id <> '' and v_pool in ('gpu', 'api')
    and p_claim_id is null and not p_dry_run then
    -- Two claims at once under one name: the second one waits, with care (queue.give_back_held_task).
    if pg_try_advisory_xact_lock(hashtextextended('queue.holder::' || p_worker_id, 0)) then
      select
        pg_catalog.now() + c.clock_offset,
        pg_catalog.now() + c.clock_offset - c.stale_after,
        exists (select from queue.user_lines as l where l.pool = v_pool and l.is_open)
      into v_now, v_old_before, v_has_open
      from queue.settings as c
      where not exists (
          select
          from public.workers as w
          where w.id = p_worker_id
            and (w.current_model is not null or w.status in ('terminating', 'terminated', 'error'))
        )
        and (
          case v_pool when 'gpu' then c.gpu_tasks_per_worker else c.api_tasks_per_worker end is null
          or p_worker_id = any (c.shared_worker_ids)
          or not exists (select from public.tasks as t where t.worker_id = p_worker_id and t.status = 'In Progress')
        )
        and not exists (
          select from public.tasks as t
          where t.standing = 'not_yet' and t.available_at <= pg_catalog.now() + c.clock_offset
        );
    end if;
  end if;

  if v_now is null then
    return queue.claim_with_care(
      p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
    );
  elsif not v_has_open and queue.rescue_when_late() = 0 then
    return null;
  end if;

  begin
    perform set_config('queue.counts_itself', 'on', true);
    with turn as materialized (
      -- Fewest running first, then who has waited longest for a turn.
      select s.user_id, s.cloud_reason
      from queue.user_lines as l
        join queue.user_slots as s on s.user_id = l.user_id
      where l.pool = v_pool
        and l.is_open
      order by l.running, l.turn_at
      limit 1
      for no key update of s skip locked
    ),
    head as materialized (
      select h.id
      from turn as u
        cross join lateral (
          select t.id, t.attempts, t.created_at
          from public.tasks as t
          where t.user_id = u.user_id
            and t.pool = v_pool
            and t.run_type = 'cloud'
            and t.standing = 'ready'
          order by t.priority desc, t.created_at, t.id
          limit 1
          for no key update skip locked
        ) as h
      where u.cloud_reason is null
        and (h.attempts > 0 or h.created_at >= v_old_before)
    ),
    started as (
      update public.tasks as t
      set status = 'In Progress',
        standing = 'active',
        worker_id = p_worker_id,
        token_id = null,
        claim_id = null,
        lease_token = gen_random_uuid(),
        attempts = t.attempts + 1,
        claimed_at = v_now,
        generation_started_at = v_now,
        delivered_at = null,
        updated_at = v_now
      from head as h
      where t.id = h.id
      returning
        t.id, t.user_id, t.task_type, t.params, t.project_id, t.lease_token, t.attempts, t.takes_slot::integer as slot
    ),
    slots as (
      update queue.user_slots as s
      set running = s.running + x.slot,
        cloud_reason = case when s.running + x.slot >= s.task_limit then 'user_at_limit' end,
        local_reason = coalesce(s.local_reason, case when s.running + x.slot >= s.task_limit then 'user_at_limit' end)
      from started as x
      where s.user_id = x.user_id
      returning s.user_id, s.running, s.cloud_reason, x.slot
    ),
    -- Both of the owner's lines: the task leaves one, and what runs has changed for either.
    lines as (
      update queue.user_lines as l
      set ready_cloud = l.ready_cloud - case when l.pool = v_pool then s.slot else 0 end,
        ready_cloud_orchestration = l.ready_cloud_orchestration - case when l.pool = v_pool then 1 - s.slot else 0 end,
        active_cloud = l.active_cloud + case when l.pool = v_pool then s.slot else 0 end,
        active_cloud_orchestration = l.active_cloud_orchestration + case when l.pool = v_pool then 1 - s.slot else 0 end,
        running = s.running,
        is_open = s.cloud_reason is null
          and l.ready_cloud + l.ready_cloud_orchestration > case when l.pool = v_pool then 1 else 0 end,
        turn_at = case when l.pool = v_pool then v_now else l.turn_at end
      from slots as s
      where l.user_id = s.user_id
        and (l.pool = v_pool or l.ready_cloud + l.ready_cloud_orchestration > 0)
    ),
    event as (
      insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
      select x.id, x.user_id, v_now, 'Queued', 'In Progress', p_worker_id, x.attempts, 'service'
      from started as x
    )
    select json_build_object(
      'task_id', x.id,
      'task_type', x.task_type,
      'params', case when jsonb_typeof(x.params) = 'object' then x.params else jsonb_build_object('params', x.params) end,
      'project_id', x.project_id,
      'lease_token', x.lease_token,
      'attempt', x.attempts
    )
    into v_reply
    from started as x;
    perform set_config('queue.counts_itself', 'off', true);

    if v_reply is null then
      raise sqlstate 'QU001' using message = 'This look found nothing, its locks are given back';
    end if;
    return v_reply;
  exception when sqlstate 'QU001' then
    v_reply := null;
  end;

  return queue.claim_with_care(
    p_caller, p_worker_id, p_run_type, p_claim_id, p_same_model_only, p_max_task_wait_minutes, p_dry_run
  );
end;
$$;

comment on function queue.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) is
  'See public.claim_next_task.';

revoke all on function queue.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) to service_role;

-- The task that a report is about, locked; with the tasks that its end would change, if the report may end it. Somebody
-- else's task answers exactly like one that does not exist.
create or replace function queue.lock_task_for(p_caller queue.caller, p_task_id uuid, p_ends_as text default null)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  -- Relatives are locked together with the task and before anything else; but nobody locks a stranger's.
  if p_ends_as is not null and exists (
    select
    from public.tasks as t
    where t.id = p_task_id
      and t.status in ('Queued', 'In Progress')
      and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
  ) then
    perform queue.lock_relatives(p_task_id, p_ends_as);
  end if;

  select t.*
  into v_task
  from public.tasks as t
  where t.id = p_task_id
    and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
  for no key update;

  if v_task.id is null then
    perform queue.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;
  return v_task;
end;
$$;

comment on function queue.lock_task_for(queue.caller, uuid, text) is
  'Locks and returns the task, and its live relatives when it may end as p_ends_as (Complete, Failed, Cancelled); 404 TASK_NOT_FOUND when it does not exist or is not the caller''s.';

revoke all on function queue.lock_task_for(queue.caller, uuid, text) from public, anon, authenticated, service_role;

-- The dead letters that a filter names, the longest dead first. A key that is not known is refused: a typing error must
-- not widen what is put back.
create function queue.dead_letters(p_filter jsonb, p_limit integer)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_unknown text[];
begin
  if jsonb_typeof(p_filter) <> 'object' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The filter must be a JSON object');
  end if;

  select array_agg(k.name order by k.name)
  into v_unknown
  from jsonb_object_keys(p_filter) as k (name)
  where k.name not in (
    'status', 'task_type', 'user_id', 'project_id', 'worker_id', 'error_contains', 'ended_since', 'ended_before'
  );

  if v_unknown is not null or p_filter = '{}' then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      coalesce('The filter does not know ' || array_to_string(v_unknown, ', '), 'The filter names nothing'),
      'Filter by status (Failed or Cancelled), task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before'
    );
  elsif coalesce(p_filter ->> 'status', 'Failed') not in ('Failed', 'Cancelled') then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('Only Failed and Cancelled tasks are put back, not %s', p_filter ->> 'status')
    );
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.status = coalesce(p_filter ->> 'status', 'Failed')
    and (p_filter ->> 'task_type' is null or t.task_type = p_filter ->> 'task_type')
    and (p_filter ->> 'user_id' is null or t.user_id = (p_filter ->> 'user_id')::uuid)
    and (p_filter ->> 'project_id' is null or t.project_id = (p_filter ->> 'project_id')::uuid)
    and (p_filter ->> 'worker_id' is null or t.worker_id = p_filter ->> 'worker_id')
    and (p_filter ->> 'error_contains' is null or strpos(lower(t.error_message), lower(p_filter ->> 'error_contains')) > 0)
    and (p_filter ->> 'ended_since' is null or t.updated_at >= (p_filter ->> 'ended_since')::timestamptz)
    and (p_filter ->> 'ended_before' is null or t.updated_at < (p_filter ->> 'ended_before')::timestamptz)
  order by t.updated_at, t.id
  limit p_limit;
exception
  when invalid_text_representation or datetime_field_overflow or invalid_datetime_format then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A value of the filter is no id or no time: ' || sqlerrm);
end;
$$;

comment on function queue.dead_letters(jsonb, integer) is
  'Up to p_limit tasks that ended Failed (or Cancelled, if asked for) and match every key of the filter; 400 INVALID_ARGUMENT for an empty filter or an unknown key.';

revoke all on function queue.dead_letters(jsonb, integer) from public, anon, authenticated, service_role;

-- Puts dead letters back into the queue: the one way out of a final state. The starts so far stay counted, and the task
-- gets as many more as its type allows.
create function queue.requeue_tasks(
  p_caller jsonb,
  p_task_ids uuid[],
  p_filter jsonb,
  p_limit integer,
  p_reason text,
  p_dry_run boolean
)
returns json
language plpgsql
volatile
security definer -- writes requeue_count, which no API role may
set search_path = ''
as $$
declare
  v_max constant integer := 1000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service']);
  v_matching uuid[];
  v_ids uuid[];
begin
  if p_limit is null or p_limit not between 1 and v_max then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', pg_catalog.format('The limit must be 1 to %s, not %s', v_max, coalesce(p_limit::text, 'null'))
    );
  elsif (p_task_ids is null) = (p_filter is null) then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'Name the tasks by their ids or by a filter, one of the two');
  end if;

  v_matching := case
    when p_task_ids is not null
      then (select array_agg(i.id) from (select distinct x.id from unnest(p_task_ids) as x (id) limit p_limit) as i)
    else (select array_agg(d.id) from (select x.id from queue.dead_letters(p_filter, p_limit) as x) as d)
  end;

  -- What somebody else is just changing is left for the next call.
  select array_agg(l.id)
  into v_ids
  from (
    select t.id
    from public.tasks as t
    where t.id = any (v_matching)
      and t.status in ('Failed', 'Cancelled')
    order by t.id
    for no key update skip locked
  ) as l;

  if v_ids is not null and not coalesce(p_dry_run, false) then
    perform queue.say(queue.caller_name(v_caller), 'put back by an operator' || coalesce(': ' || queue.cut_text(nullif(p_reason, '')), ''));
    update public.tasks as t
    set status = 'Queued',
      requeue_count = t.requeue_count + 1,
      max_attempts = t.attempts + queue.max_attempts(t.task_type),
      available_at = null,
      output_location = null -- the reason of the failure, kept in error_message
    where t.id = any (v_ids);
    -- Tasks that were put back together may wait for one another, and children with a live parent are not stale.
    perform queue.ask_standing_again(
      v_ids
      || array(select d.task_id from queue.task_dependencies as d where d.depends_on = any (v_ids))
      || array(
        select s.task_id
        from queue.subtasks as s
          join public.tasks as t on t.id = s.task_id
        where s.orchestrator_id = any (v_ids)
          and t.standing = 'stale'
      )
    );
    perform queue.say(null);
  end if;

  return json_build_object(
    'requeued', case when p_dry_run then 0 else coalesce(cardinality(v_ids), 0) end,
    'matched', coalesce(cardinality(v_ids), 0),
    'task_ids', to_json(coalesce(v_ids, array[]::uuid[])),
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

comment on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) is 'See public.requeue_tasks.';

revoke all on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) to service_role;

-- A failure that may be worth another try: back to the queue with a growing wait until the starts are used up, then
-- Failed. update_task_status with Failed, which deployed workers send, is final.
create function queue.mark_task_failed(
  p_caller jsonb,
  p_task_id uuid,
  p_error_message text,
  p_error_details text,
  p_retryable boolean,
  p_lease_token uuid
)
returns json
language plpgsql
volatile
security definer -- the queue's own path to Failed and back to the queue
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := queue.lock_task_for(v_caller, p_task_id, 'Failed');
  v_reply jsonb;
begin
  if p_lease_token is not null then
    perform queue.refuse_stale_lease(v_task, p_lease_token);
  end if;

  v_reply := queue.fail_task(
    v_caller, v_task, p_error_message, p_error_details,
    p_has_lease => p_lease_token is not null, p_may_retry => coalesce(p_retryable, true)
  );

  return v_reply || jsonb_build_object(
    'will_retry', v_reply ->> 'status' = 'Queued',
    'available_at', (select t.available_at from public.tasks as t where t.id = p_task_id and t.status = 'Queued')
  );
end;
$$;

comment on function queue.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) is 'See public.mark_task_failed.';

revoke all on function queue.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.mark_task_failed(jsonb, uuid, text, text, boolean, uuid) to service_role;

-- Complete tasks that have nothing to show, and records that name another result than their task: from before the queue
-- recorded results itself, or from a hand in the tables. Nothing here can come about through the queue.
create function queue.repair_generations(p_limit integer, p_dry_run boolean)
returns json
language plpgsql
volatile
security definer -- writes generation_created, which no API role may
set search_path = ''
as $$
declare
  v_missing uuid[];
  v_torn uuid[];
begin
  if p_limit is null or p_limit < 1 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The limit must be 1 or more');
  end if;

  select array_agg(m.id)
  into v_missing
  from (
    select t.id
    from public.tasks as t
      join public.task_types as y on y.name = t.task_type and y.creates_generation
      left join public.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and g.id is null
      and queue.creates_generation(t.task_type, t.params)
      -- A repeated child that is Complete because the first one is shows the first one's record.
      and not exists (select from queue.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
    order by t.id
    limit p_limit
    for no key update of t skip locked
  ) as m;

  select array_agg(w.id)
  into v_torn
  from (
    select t.id
    from public.tasks as t
      join public.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and g.location is distinct from t.output_location
    order by t.id
    limit p_limit
    for no key update of t skip locked
  ) as w;

  if not coalesce(p_dry_run, false) then
    perform queue.say('queue.repair_generations');
    update public.tasks as t set generation_created = true where t.id = any (v_missing) and not t.generation_created;
    perform queue.record_generations(v_missing || v_torn);
    insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
    select
      t.id, t.user_id, queue.now(), t.status, t.status, t.worker_id, t.attempts, 'queue.repair_generations',
      case when t.id = any (v_missing) then 'its result record was missing, and was made' else 'its result record named another result, and was mended' end
    from public.tasks as t
    where t.id = any (v_missing || v_torn);
    perform queue.say(null);
  end if;

  return json_build_object(
    'missing', coalesce(cardinality(v_missing), 0),
    'torn', coalesce(cardinality(v_torn), 0),
    'task_ids', to_json(coalesce(v_missing || v_torn, v_missing, v_torn, array[]::uuid[])),
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

comment on function queue.repair_generations(integer, boolean) is 'See public.repair_generations.';

revoke all on function queue.repair_generations(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.repair_generations(integer, boolean) to service_role;

-- Completes a task exactly once (docs/architecture.md, "Endings"). Result, record, history, counters and dependants
-- are one transaction; a repeat changes nothing and answers what is stored.
create or replace function queue.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_lease_token uuid
)
returns json
language plpgsql
volatile
security definer -- the queue's own path to Complete
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := queue.lock_task_for(v_caller, p_task_id, 'Complete');
begin
  if p_lease_token is not null then
    perform queue.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null) then
    perform queue.say(
      queue.caller_name(v_caller),
      case
        when v_task.status = 'Queued' then 'completed late, after the task was taken back'
        when p_output_location is null then 'completed without an output'
      end
    );
    update public.tasks as t
    set status = 'Complete',
      output_location = p_output_location,
      thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
      result_data = coalesce(p_result_data, t.result_data),
      error_message = null
    where t.id = v_task.id
    returning t.* into v_task;
    perform queue.say(null);
    return queue.task_reply(v_task);
  end if;

  if v_task.status = 'Queued' or (p_lease_token is not null and v_task.status <> 'Complete') then
    perform queue.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Complete', v_task.id, v_task.status),
      case when v_task.status = 'Queued' then 'Claim it first' else 'Drop this task; its end is final' end
    );
  end if;

  -- Deployed workers cannot be told apart and repeat themselves by design: they get their 200, the history knows.
  perform queue.record_report(
    v_task, v_caller,
    case v_task.status when 'Complete' then 'completed again, the first result stays' else 'completed after its end, not resurrected' end,
    json_strip_nulls(json_build_object('output_location', p_output_location))::jsonb
  );
  return queue.task_reply(v_task);
end;
$$;

comment on function queue.complete_task(jsonb, uuid, text, text, jsonb, uuid) is 'See public.complete_task.';

revoke all on function queue.complete_task(jsonb, uuid, text, text, jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.complete_task(jsonb, uuid, text, text, jsonb, uuid) to service_role;

-- Ends a task as Failed, or has it tried again where that is allowed. The reason is kept whichever field it came in; the
-- whole text is in the history.
create or replace function queue.fail_task(
  p_caller queue.caller,
  p_task public.tasks,
  p_reason text,
  p_details text,
  p_has_lease boolean,
  p_may_retry boolean
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_reason text := coalesce(nullif(p_reason, ''), nullif(p_details, ''), 'Failed without a reason');
  -- What is cut on the task is whole in the history.
  v_full jsonb := nullif(jsonb_strip_nulls(jsonb_build_object(
    'error_message', case when v_reason <> queue.cut_text(v_reason) then v_reason end,
    'error_details', case when p_details <> queue.cut_text(p_details) then p_details end
  )), '{}');
  -- A task that waits in the queue again is tried again already.
  v_applies boolean := p_task.status = 'In Progress' or (p_task.status = 'Queued' and not p_may_retry);
  v_wait interval;
  v_task public.tasks;
begin
  if v_applies and (p_has_lease or not queue.has_live_former_holder(p_task)) then
    if p_may_retry and p_task.attempts < queue.starts_allowed(p_task) and queue.is_retryable(p_task.task_type) then
      v_wait := queue.retry_wait(p_task.attempts);
      perform queue.say(
        queue.caller_name(p_caller),
        pg_catalog.format('failed, to be tried again in %s s: %s', ceil(extract(epoch from v_wait)), queue.cut_text(v_reason)),
        v_full
      );
      update public.tasks as t
      set status = 'Queued',
        available_at = queue.now() + v_wait,
        error_message = queue.cut_text(v_reason),
        error_details = coalesce(queue.cut_text(p_details), t.error_details)
      where t.id = p_task.id
      returning t.* into v_task;
    else
      perform queue.say(queue.caller_name(p_caller), queue.cut_text(v_reason), v_full);
      update public.tasks as t
      set status = 'Failed',
        error_message = v_reason,
        error_details = coalesce(queue.cut_text(p_details), t.error_details),
        output_location = v_reason
      where t.id = p_task.id
      returning t.* into v_task;
    end if;
    perform queue.say(null);
    return queue.report_reply(v_task, true);
  end if;

  if p_has_lease and p_task.status not in ('Complete', 'Failed') then
    perform queue.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Failed', p_task.id, p_task.status),
      'Drop this task; its end is final'
    );
  end if;

  perform queue.record_report(
    p_task, p_caller,
    'failure reported, not applied: ' || queue.cut_text(v_reason), v_full
  );
  return queue.report_reply(p_task, false);
end;
$$;

comment on function queue.fail_task(queue.caller, public.tasks, text, text, boolean, boolean) is
  'Ends a locked task as Failed with this reason; puts it back with a wait when p_may_retry, attempts are left and its type is retried; or only records the report when the task has ended or a former holder may be speaking.';

revoke all on function queue.fail_task(queue.caller, public.tasks, text, text, boolean, boolean) from public, anon, authenticated, service_role;

-- What a worker reports other than a result (docs/architecture.md, "Endings").
create or replace function queue.update_task_status(
  p_caller jsonb,
  p_task_id uuid,
  p_status text,
  p_output_location text,
  p_error_message text,
  p_error_details text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_reset_generation_started_at boolean,
  p_lease_token uuid
)
returns json
language plpgsql
volatile
security definer -- writes delivered_at, which no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks;
begin
  if p_status = 'Complete' then
    return queue.complete_task(p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token);
  end if;

  v_task := queue.lock_task_for(v_caller, p_task_id, case when p_status in ('Failed', 'Cancelled') then p_status end);
  if p_lease_token is not null then
    perform queue.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if p_status = 'Failed' then
    return queue.fail_task(
      v_caller, v_task, coalesce(nullif(p_error_message, ''), p_output_location), p_error_details,
      p_has_lease => p_lease_token is not null, p_may_retry => false
    );
  end if;

  if not coalesce(
    (v_task.status, p_status) in (
      ('In Progress', 'In Progress'), ('In Progress', 'Queued'), ('In Progress', 'Cancelled'), ('Queued', 'Cancelled')
    ) or (v_task.status = p_status and p_status in ('Cancelled', 'Queued')),
    false
  ) then
    perform queue.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become %s', v_task.id, v_task.status, coalesce(p_status, 'null')),
      case when v_task.status = 'Queued' then 'Claim it first' else 'Nothing was changed' end
    );
  elsif v_task.status = p_status and p_status in ('Cancelled', 'Queued') then
    return queue.report_reply(v_task, false);
  end if;

  perform queue.say(
    queue.caller_name(v_caller),
    case p_status
      when 'Queued' then coalesce(queue.cut_text(nullif(p_error_message, '')), 'handed back')
      when 'Cancelled' then coalesce(queue.cut_text(nullif(p_error_message, '')), 'cancelled')
    end
  );
  -- Who hands its task back itself has not failed at it.
  perform set_config('queue.forgives_starts', case p_status when 'Queued' then 'on' else 'off' end, true);
  update public.tasks as t
  set status = p_status,
    attempts = t.attempts - (p_status = 'Queued')::integer,
    output_location = coalesce(queue.cut_text(nullif(p_output_location, '')), t.output_location),
    thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
    result_data = coalesce(p_result_data, t.result_data),
    error_message = case when p_status = 'In Progress' then t.error_message else coalesce(queue.cut_text(nullif(p_error_message, '')), t.error_message) end,
    generation_started_at = case when p_reset_generation_started_at then queue.now() else t.generation_started_at end,
    delivered_at = coalesce(t.delivered_at, queue.now()),
    reported_at = queue.now()
  where t.id = v_task.id
  returning t.* into v_task;
  perform set_config('queue.forgives_starts', 'off', true);
  perform queue.say(null);

  -- With a text an orchestrator says that it has enqueued its children; they may all have ended by now.
  if p_status = 'In Progress' and coalesce(p_output_location, '') <> '' then
    perform queue.note_enqueued(v_task.id);
    select t.* into v_task from public.tasks as t where t.id = v_task.id;
  end if;
  return queue.report_reply(v_task, true);
end;
$$;

comment on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) is
  'See public.update_task_status.';

revoke all on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) to service_role;

-- Whose folder the files of a task go to, and whether it still takes any. Asked before anything is stored, so that
-- neither a stranger nor a task that has ended leaves an object behind.
create function queue.upload_target(p_caller jsonb, p_task_id uuid, p_lease_token uuid)
returns json
language plpgsql
volatile
security definer -- writes delivered_at, which no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks := queue.lock_task_for(v_caller, p_task_id);
begin
  if p_lease_token is not null then
    perform queue.refuse_stale_lease(v_task, p_lease_token);
  end if;

  -- Whoever has a file for the task has the task: the same proof as any other report.
  if v_task.status = 'In Progress' then
    update public.tasks as t
    set delivered_at = coalesce(t.delivered_at, queue.now()),
      reported_at = queue.now()
    where t.id = v_task.id;
  end if;

  return json_build_object(
    'task_id', v_task.id,
    'user_id', v_task.user_id,
    'status', v_task.status,
    'attempt', v_task.attempts,
    -- The states from which a task can become Complete, see queue.complete_task.
    'is_open', v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null)
  );
end;
$$;

comment on function queue.upload_target(jsonb, uuid, uuid) is 'See public.upload_target.';

revoke all on function queue.upload_target(jsonb, uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.upload_target(jsonb, uuid, uuid) to service_role;

-- When a number should not be acted on without a second look. Codes are stable (docs/errors.md).
create or replace function queue.count_warnings(p_pool text, p_load queue.load_summary, p_oldest timestamptz)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_sample record;
  v_arrivals integer;
begin
  select m.sampled_at, sum(m.claimable) as claimable, max(m.last_event_id) as last_event_id
  into v_sample
  from queue.minute_samples as m
  where m.sampled_at = (select max(x.sampled_at) from queue.minute_samples as x where x.sampled_at < v_now)
    and (p_pool is null or m.pool = p_pool)
  group by m.sampled_at;

  -- What was enqueued since explains that many.
  if v_sample.claimable = 0 then
    select count(*)
    into v_arrivals
    from (
      select
      from public.task_events as e
        join public.tasks as t on t.id = e.task_id
      where e.id > v_sample.last_event_id
        and e.from_status is null
        and (p_pool is null or t.pool = p_pool)
      limit p_load.claimable
    ) as a;
  end if;

  return (
    select coalesce(json_agg(json_build_object('code', w.code, 'message', w.message)), '[]')
    from (
      select 'JUMP_FROM_ZERO' as code, pg_catalog.format(
        '%s tasks are claimable, a minute ago there were none: check what they are before renting for all of them', p_load.claimable
      ) as message
      where p_load.claimable >= 10
        and v_sample.claimable = 0
        and v_arrivals < p_load.claimable
      union all
      select 'WORK_OLDER_THAN_A_DAY', pg_catalog.format('The oldest claimable task was enqueued at %s', p_oldest)
      where p_oldest < v_now - interval '1 day'
      union all
      select 'ONE_OWNER', pg_catalog.format('All %s claimable tasks belong to one user', p_load.claimable)
      where p_load.claimable >= 10
        and p_load.owners = 1
      union all
      select 'NO_WORKER_BEATING', 'There is gpu work and no worker has sent a heartbeat within the silence limit'
      where case
          when p_pool = 'gpu' then p_load.claimable
          when p_pool is null then queue.claimable_count(('service', null, null)::queue.caller, 'gpu')
        end > 0
        and not exists (
          select
          from public.workers as k
          where k.last_heartbeat > v_now - (select s.gpu_silence_limit from queue.settings as s)
        )
      union all
      -- One warning for all jobs: when pg_cron stands still, all of them do.
      select case when l.is_failing then 'JOB_FAILED' else 'JOB_LATE' end, string_agg(l.message, '; ' order by l.job)
      from queue.late_jobs() as l
      group by l.is_failing
    ) as w
  );
end;
$$;

comment on function queue.count_warnings(text, queue.load_summary, timestamptz) is
  'Warnings about a count, as [{code, message}]: JUMP_FROM_ZERO, WORK_OLDER_THAN_A_DAY, ONE_OWNER, NO_WORKER_BEATING, JOB_FAILED, JOB_LATE.';

revoke all on function queue.count_warnings(text, queue.load_summary, timestamptz) from public, anon, authenticated, service_role;

-- What a line copies from its owner's slots and only a write to the owner changes (queue.refresh_lines) is filled in
-- here, once, so that the statements that start and end tasks need not carry it.
create function queue.user_lines_before_insert()
returns trigger
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  select s.task_limit, nullif(s.cloud_reason, 'user_at_limit')
  into strict new.task_limit, new.closed_by
  from queue.user_slots as s
  where s.user_id = new.user_id;
  return new;
end;
$$;

comment on function queue.user_lines_before_insert() is
  'Trigger: a new line copies its owner''s limit and why the fleet may run nothing of the owner''s.';

revoke all on function queue.user_lines_before_insert() from public, anon, authenticated, service_role;

create trigger user_lines_before_insert
  before insert on queue.user_lines
  for each row execute function queue.user_lines_before_insert();

-- Queued tasks whose stored standing is out of date because time has passed and nothing else: due now, or grown stale.
-- Claims and the sweep put them right; who only reads takes them into account with this.
create or replace function queue.overtaken_by_time()
returns setof queue.load_change
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_stale_before timestamptz := v_now - (select s.stale_after from queue.settings as s);
begin
  return query
  with overtaken as (
    select
      t.user_id, t.pool, t.run_type, t.takes_slot, t.standing as stood,
      -- The rule is asked where more than the time could hold the task back.
      case
        when t.dependant_on is null and (t.attempts > 0 or t.created_at >= v_stale_before) then 'ready'
        else queue.task_standing(t)
      end as stands
    from public.tasks as t
    where t.standing = 'not_yet'
      and t.available_at <= v_now
    union all
    select t.user_id, t.pool, t.run_type, t.takes_slot, t.standing, 'stale'
    from public.tasks as t
    where t.standing = 'ready'
      and t.attempts = 0
      and t.created_at < v_stale_before
      and queue.is_stale(t.created_at, t.attempts, t.params)
  )
  select o.user_id, o.pool, o.run_type = 'cloud', o.takes_slot, c.standing, sum(c.delta)::integer
  from overtaken as o
    cross join lateral (values (o.stood, -1), (o.stands, 1)) as c (standing, delta)
  group by o.user_id, o.pool, o.run_type, o.takes_slot, c.standing;
end;
$$;

comment on function queue.overtaken_by_time() is
  'By how much the derived counters are behind because only time has changed where queued tasks stand.';

revoke all on function queue.overtaken_by_time() from public, anon, authenticated, service_role;

-- What each of these users has in the queue now, as a claim would see it: the derived counters, put right for what only
-- time has changed since.
create or replace function queue.user_load(p_caller queue.caller, p_pool text, p_user_ids uuid[], p_overtaken queue.load_change[])
returns setof queue.user_load_row
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_own boolean := p_caller.user_id is not null;
begin
  return query
  with load as (
    select
      l.user_id,
      sum(l.ready_cloud + case when v_own then l.ready_local else 0 end) as ready_slots,
      sum(l.ready_cloud_orchestration + case when v_own then l.ready_local_orchestration else 0 end) as ready_orchestration,
      sum(l.active_cloud + case when v_own then l.active_local else 0 end) as active,
      sum(l.active_cloud_orchestration + case when v_own then l.active_local_orchestration else 0 end) as active_orchestration,
      sum(case when v_own then 0 else l.active_local + l.active_local_orchestration end) as active_elsewhere,
      min(l.turn_at) as turn_at
    from (
      select
        c.user_id, c.pool, c.ready_cloud, c.ready_local, c.ready_cloud_orchestration, c.ready_local_orchestration,
        c.active_cloud, c.active_local, c.active_cloud_orchestration, c.active_local_orchestration, c.turn_at
      from queue.user_lines as c
      where c.user_id = any (p_user_ids)
      union all
      select
        o.user_id, o.pool,
        case when o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when o.is_cloud and not o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and not o.takes_slot then o.delta else 0 end,
        0, 0, 0, 0, v_now
      from unnest(p_overtaken) as o
      where o.standing = 'ready'
        and o.user_id = any (p_user_ids)
    ) as l
    where p_pool is null
      or l.pool = p_pool
    group by l.user_id
  ),
  judged as (
    select
      l.user_id, l.ready_slots, l.ready_orchestration, l.active, l.active_orchestration, l.active_elsewhere, l.turn_at,
      s.running, s.task_limit,
      case when v_own then s.local_reason else s.cloud_reason end as reason
    from load as l
      join queue.user_slots as s on s.user_id = l.user_id
  )
  select
    j.user_id,
    j.reason,
    (j.ready_slots + j.ready_orchestration)::integer,
    case
      when j.reason is null then (j.ready_orchestration + least(j.ready_slots, j.task_limit - j.running))::integer
      else 0
    end,
    j.active::integer,
    j.active_orchestration::integer,
    j.active_elsewhere::integer,
    j.running,
    j.task_limit,
    j.turn_at
  from judged as j;
end;
$$;

comment on function queue.user_load(queue.caller, text, uuid[], queue.load_change[]) is
  'For each of these users, in one pool or both: why the user may run nothing now (null = may), tasks ready, tasks a claim could hand out one after another (the limit counted), tasks active. A token or user sees its user as the user''s own machine would: local tasks too, the onComputer switch instead of credits and inCloud.';

revoke all on function queue.user_load(queue.caller, text, uuid[], queue.load_change[]) from public, anon, authenticated, service_role;

-- How many tasks this caller could claim one after another now.
create or replace function queue.claimable_count(p_caller queue.caller, p_pool text)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (queue.load_summary(p_caller, p_pool)).claimable;
end;
$$;

comment on function queue.claimable_count(queue.caller, text) is
  'How many tasks this caller could claim one after another now, in one pool or both (null).';

revoke all on function queue.claimable_count(queue.caller, text) from public, anon, authenticated, service_role;

-- Queued tasks that cannot run now, per reason. A reason of the owner comes before stale.
create or replace function queue.blocked_by_reason(p_caller queue.caller, p_pool text, p_load queue.load_summary)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_own boolean := p_caller.user_id is not null;
begin
  return (
    with waiting as (
      select b.user_id, b.pool, b.reason, b.task_count
      from queue.blocked_tasks as b
      where not v_own
        and b.is_cloud
      union all
      select b.user_id, b.pool, b.reason, b.task_count
      from queue.blocked_tasks as b
      where b.user_id = p_caller.user_id
      union all
      select o.user_id, o.pool, o.standing, o.delta
      from unnest(p_load.overtaken) as o
      where o.standing <> 'ready'
        and (v_own or o.is_cloud)
    )
    select coalesce(json_object_agg(r.reason, r.task_count order by r.reason), '{}')
    from (
      select b.reason, sum(b.task_count) as task_count
      from (
        select w.reason, sum(w.task_count) as task_count
        from waiting as w
        where w.reason <> 'stale'
          and (p_pool is null or w.pool = p_pool)
        group by w.reason
        union all
        select coalesce(case when v_own then s.local_reason else s.cloud_reason end, 'stale'), w.task_count
        from waiting as w
          left join queue.user_slots as s on s.user_id = w.user_id
        where w.reason = 'stale'
          and (p_pool is null or w.pool = p_pool)
        union all
        select o.reason, o.task_count
        from (
          values
            ('user_at_limit', p_load.user_at_limit),
            ('no_credits', p_load.no_credits),
            ('cloud_disabled', p_load.cloud_disabled),
            ('local_disabled', p_load.local_disabled)
        ) as o (reason, task_count)
      ) as b
      group by b.reason
      having sum(b.task_count) > 0
    ) as r
  );
end;
$$;

comment on function queue.blocked_by_reason(queue.caller, text, queue.load_summary) is
  'Queued tasks that cannot run now, as {"<reason>": n}; every queued task is either claimable or under exactly one reason.';

revoke all on function queue.blocked_by_reason(queue.caller, text, queue.load_summary) from public, anon, authenticated, service_role;

-- The tasks that claims would hand out next, whose turn it is first: filtered before they are cut. p_turns are the
-- first users in turn, at least p_limit of them where there are so many.
create or replace function queue.next_tasks(p_caller queue.caller, p_pool text, p_limit integer, p_turns queue.user_load_row[])
returns table (task_id uuid, task_type text, user_id uuid, created_at timestamptz)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_now timestamptz := queue.now();
  v_old_before timestamptz := v_now - (select s.stale_after from queue.settings as s);
  v_pools text[] := case when p_pool is null then array['gpu', 'api'] else array[p_pool] end;
  v_run_types text[] := case when p_caller.user_id is null then array['cloud'] else array['cloud', 'local'] end;
begin
  return query
  with round as (
    -- A user served once more runs one more, and the turn goes to those who run fewer: so many of each come first.
    select r.user_id, r.running, r.turn_at, count(*) as task_count
    from (
      select u.user_id, u.running, u.turn_at
      from (
        select
          t.user_id, t.running, t.turn_at,
          least(t.claimable, case when count(*) over () < p_limit then p_limit else max(t.running) over () - t.running + 1 end) as most
        from unnest(p_turns) as t
      ) as u
        cross join lateral generate_series(1, u.most) as k
      order by u.running + k, k, u.turn_at
      limit p_limit
    ) as r
    group by r.user_id, r.running, r.turn_at
  )
  select t.id, t.task_type, t.user_id, t.created_at
  from (
    select c.*, row_number() over (partition by c.user_id order by c.priority desc, c.created_at, c.id) as k
    from (
      -- One pool and run type at a time: each comes from the index in the order of the line.
      select r.id, r.task_type, r.created_at, r.priority, u.user_id, u.running, u.turn_at, u.task_count
      from round as u
        cross join unnest(v_pools) as l (pool)
        cross join unnest(v_run_types) as y (run_type)
        cross join lateral (
          select q.id, q.task_type, q.created_at, q.priority
          from public.tasks as q
          where q.user_id = u.user_id
            and q.pool = l.pool
            and q.run_type = y.run_type
            and q.standing = 'ready'
            -- Asked only where the answer could be yes.
            and (q.attempts > 0 or q.created_at >= v_old_before or not queue.is_stale(q.created_at, q.attempts, q.params))
          order by q.priority desc, q.created_at, q.id
          limit u.task_count
        ) as r
      union all
      -- Due, but not yet released by a claim.
      select d.id, d.task_type, d.created_at, d.priority, u.user_id, u.running, u.turn_at, u.task_count
      from public.tasks as d
        join round as u on u.user_id = d.user_id
      where d.standing = 'not_yet'
        and d.available_at <= v_now
        and d.pool = any (v_pools)
        and d.run_type = any (v_run_types)
        and queue.task_standing(d) = 'ready'
    ) as c
  ) as t
  where t.k <= t.task_count
  order by t.running + t.k, t.k, t.turn_at;
end;
$$;

comment on function queue.next_tasks(queue.caller, text, integer, queue.user_load_row[]) is
  'Up to p_limit tasks that this caller''s claims would hand out next, in that order.';

revoke all on function queue.next_tasks(queue.caller, text, integer, queue.user_load_row[]) from public, anon, authenticated, service_role;

-- What an autoscaler decides on, from one snapshot (the function is stable: all its queries see the same state).
create or replace function queue.task_counts(p_caller jsonb, p_run_type text, p_include_active boolean)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_list_limit constant integer := 100;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_now timestamptz := queue.now();
  v_load queue.load_summary;
  v_turns queue.user_load_row[];
  v_listed integer;
  v_next json;
  v_running json;
  v_recent json;
  v_oldest timestamptz;
  v_per_worker integer;
  v_total integer;
  v_arrivals numeric;
  v_completions numeric;
begin
  if p_run_type not in ('gpu', 'api') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be gpu or api, not %s', p_run_type));
  end if;

  v_load := queue.load_summary(v_caller, p_run_type);
  v_turns := array(select u from queue.users_in_turn(v_caller, p_run_type, v_load, v_list_limit) as u);

  select
    coalesce(json_agg(t), '[]'),
    count(*),
    min(t.created_at)
  into v_next, v_listed, v_oldest
  from queue.next_tasks(v_caller, p_run_type, v_list_limit, v_turns) as t;
  v_oldest := queue.oldest_claimable(v_caller, p_run_type, v_oldest, v_listed < v_load.claimable);

  with running as materialized (
    select
      r.id as task_id, r.task_type, r.worker_id, r.token_id,
      coalesce(r.generation_started_at, r.claimed_at, r.updated_at, r.created_at) as started_at
    from public.tasks as r
    where r.status = 'In Progress'
      and (p_run_type is null or r.pool = p_run_type)
      and (v_caller.user_id is null or r.user_id = v_caller.user_id)
    order by r.worker_id
    limit v_list_limit
  )
  select
    -- Deployed clients cut these texts: none may be null.
    (select json_strip_nulls(json_agg(a)) from (select r.task_id, r.task_type, r.worker_id, r.started_at from running as r) as a),
    (select json_agg(a) from (select r.task_id, 'In Progress' as status, r.token_id is null as is_cloud from running as r) as a)
  into v_running, v_recent;

  select case p_run_type when 'gpu' then s.gpu_tasks_per_worker when 'api' then s.api_tasks_per_worker end
  into v_per_worker
  from queue.settings as s;

  -- The fleet's rates over the last five samples; one user's are not kept.
  select round(avg(m.arrivals), 1), round(avg(m.completions), 1)
  into v_arrivals, v_completions
  from (
    select sum(s.arrivals) as arrivals, sum(s.completions) as completions
    from queue.minute_samples as s
    where v_caller.user_id is null
      and s.sampled_at > v_now - interval '10 minutes'
      and (p_run_type is null or s.pool = p_run_type)
    group by s.sampled_at
    order by s.sampled_at desc
    limit 5
  ) as m;

  v_total := v_load.claimable + case when coalesce(p_include_active, true) then v_load.active else 0 end;

  return json_build_object(
    'run_type', p_run_type,
    'totals', json_build_object(
      'queued_only', v_load.claimable,
      'eligible_queued', v_load.claimable,
      'active_only', v_load.active,
      'queued_plus_active', v_total
    ),
    'count', v_total,
    'available_tasks', v_total,
    'queued_plus_active', v_total,
    'global_task_breakdown', json_build_object(
      'in_progress_total', v_load.active + v_load.active_orchestration + v_load.active_elsewhere,
      'in_progress_cloud', v_load.active + v_load.active_orchestration,
      'in_progress_local', v_load.active_elsewhere,
      'orchestrator_tasks', v_load.active_orchestration
    ),
    'blocked', queue.blocked_by_reason(v_caller, p_run_type, v_load),
    'oldest_claimable_age_seconds', extract(epoch from v_now - v_oldest),
    'users', queue.listed_users(v_caller, p_run_type, v_load, v_turns, v_list_limit),
    'users_total', v_load.users,
    'recent_tasks', coalesce(v_recent, '[]'),
    'queued_tasks', v_next,
    'active_tasks', coalesce(v_running, '[]'),
    'arrivals_per_minute', v_arrivals,
    'completions_per_minute', v_completions,
    'warnings', case when v_caller.user_id is null then queue.count_warnings(p_run_type, v_load, v_oldest) else '[]' end,
    'suggested_workers', ceil((v_load.claimable + v_load.active)::numeric / v_per_worker),
    'snapshot_at', v_now
  );
end;
$$;

comment on function queue.task_counts(jsonb, text, boolean) is 'See public.task_counts.';

revoke all on function queue.task_counts(jsonb, text, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.task_counts(jsonb, text, boolean) to service_role;

-- Adds the queue up for a caller. A line by itself says what its owner adds, so the fleet's sums are one walk over the
-- lines. Not so where time has overtaken a counter and where an owner's two lines share one limit: those owners, and the
-- one owner that a token or user is about, are looked at apart.
create function queue.load_summary(p_caller queue.caller, p_pool text)
returns queue.load_summary
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_own boolean := p_caller.user_id is not null;
  v_apart uuid[];
  v_none_apart boolean;
  v_ready integer;
  v_sum queue.load_summary;
begin
  -- Two looks say that there is nothing to put right, as is nearly always so.
  if exists (select from public.tasks as t where t.standing = 'not_yet' and t.available_at <= v_now)
    or exists (
      select from public.tasks as t
      where t.standing = 'ready'
        and t.attempts = 0
        and t.created_at < v_now - (select s.stale_after from queue.settings as s)
    ) then
    v_sum.overtaken := array(
      select o from queue.overtaken_by_time() as o where not v_own or o.user_id = p_caller.user_id
    );
  end if;

  if v_own then
    v_apart := array[p_caller.user_id];
  else
    v_apart := array(
      select o.user_id
      from unnest(v_sum.overtaken) as o
      where o.user_id is not null
        and (p_pool is null or o.pool = p_pool)
      union
      select a.user_id
      from queue.user_lines as a
        join queue.user_lines as g on g.user_id = a.user_id and g.pool = 'gpu'
      where p_pool is null
        and a.pool = 'api'
    );
  end if;
  v_none_apart := v_apart = '{}';

  -- Whether a line is open, and running and the limit of an open one, are kept up with its owner's slots.
  select
    coalesce(sum(l.ready_cloud_orchestration + least(l.ready_cloud, l.task_limit - l.running)) filter (where l.is_open), 0),
    count(*) filter (where l.is_open),
    count(*) filter (where l.ready_cloud + l.ready_cloud_orchestration + l.active_cloud > 0),
    coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration), 0),
    coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration) filter (where l.closed_by = 'no_credits'), 0),
    coalesce(sum(l.ready_cloud + l.ready_cloud_orchestration) filter (where l.closed_by = 'cloud_disabled'), 0),
    0,
    coalesce(sum(l.active_cloud), 0),
    coalesce(sum(l.active_cloud_orchestration), 0),
    coalesce(sum(l.active_local + l.active_local_orchestration), 0)
  into
    v_sum.claimable, v_sum.owners, v_sum.users, v_ready, v_sum.no_credits, v_sum.cloud_disabled, v_sum.local_disabled,
    v_sum.active, v_sum.active_orchestration, v_sum.active_elsewhere
  from queue.user_lines as l
  where not v_own
    and (p_pool is null or l.pool = p_pool)
    and (v_none_apart or l.user_id not in (select a.user_id from unnest(v_apart) as a (user_id)));
  v_sum.user_at_limit := v_ready - v_sum.no_credits - v_sum.cloud_disabled - v_sum.claimable;
  if v_none_apart then
    return v_sum;
  end if;

  v_sum.apart := array(select u from queue.user_load(p_caller, p_pool, v_apart, v_sum.overtaken) as u);
  select
    v_sum.claimable + coalesce(sum(u.claimable), 0),
    v_sum.owners + count(*) filter (where u.claimable > 0),
    v_sum.users + count(*) filter (where u.ready > 0 or u.active > 0),
    v_sum.user_at_limit + coalesce(sum(u.ready - u.claimable) filter (where coalesce(u.reason, 'user_at_limit') = 'user_at_limit'), 0),
    v_sum.no_credits + coalesce(sum(u.ready) filter (where u.reason = 'no_credits'), 0),
    v_sum.cloud_disabled + coalesce(sum(u.ready) filter (where u.reason = 'cloud_disabled'), 0),
    coalesce(sum(u.ready) filter (where u.reason = 'local_disabled'), 0),
    v_sum.active + coalesce(sum(u.active), 0),
    v_sum.active_orchestration + coalesce(sum(u.active_orchestration), 0),
    v_sum.active_elsewhere + coalesce(sum(u.active_elsewhere), 0)
  into
    v_sum.claimable, v_sum.owners, v_sum.users, v_sum.user_at_limit, v_sum.no_credits, v_sum.cloud_disabled,
    v_sum.local_disabled, v_sum.active, v_sum.active_orchestration, v_sum.active_elsewhere
  from unnest(v_sum.apart) as u;
  return v_sum;
end;
$$;

comment on function queue.load_summary(queue.caller, text) is
  'What the queue adds up to for this caller, in one pool or both (null).';

revoke all on function queue.load_summary(queue.caller, text) from public, anon, authenticated, service_role;

-- The users whom claims would serve next, whose turn it is first.
create function queue.users_in_turn(p_caller queue.caller, p_pool text, p_load queue.load_summary, p_limit integer)
returns setof queue.user_load_row
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_pools text[] := case when p_pool is null then array['gpu', 'api'] else array[p_pool] end;
  v_none_apart boolean := coalesce(cardinality(p_load.apart), 0) = 0;
begin
  return query
  select u.*
  from (
    -- Open lines come from the index in the order of turns.
    select
      l.user_id, null::text as reason, l.ready_cloud + l.ready_cloud_orchestration as ready,
      l.ready_cloud_orchestration + least(l.ready_cloud, l.task_limit - l.running) as claimable,
      l.active_cloud as active, l.active_cloud_orchestration as active_orchestration,
      l.active_local + l.active_local_orchestration as active_elsewhere, l.running, l.task_limit, l.turn_at
    from unnest(v_pools) as p (pool)
      cross join lateral (
        select c.*
        from queue.user_lines as c
        where p_caller.user_id is null
          and c.pool = p.pool
          and c.is_open
          and (v_none_apart or c.user_id not in (select a.user_id from unnest(p_load.apart) as a))
        order by c.running, c.turn_at
        limit p_limit
      ) as l
    union all
    select a.* from unnest(p_load.apart) as a where a.claimable > 0
  ) as u
  order by u.running, u.turn_at
  limit p_limit;
end;
$$;

comment on function queue.users_in_turn(queue.caller, text, queue.load_summary, integer) is
  'Up to p_limit users of whom this caller could claim something now, in the order of their turns.';

revoke all on function queue.users_in_turn(queue.caller, text, queue.load_summary, integer) from public, anon, authenticated, service_role;

-- Since when the oldest task waits that a claim could come to. The list of next tasks has the oldest of each user in it;
-- where the list was cut, older ones may stand behind it: those are looked for among the oldest never started.
create function queue.oldest_claimable(p_caller queue.caller, p_pool text, p_listed timestamptz, p_was_cut boolean)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_look_at constant integer := 200;
  v_old_before timestamptz;
begin
  if not p_was_cut then
    return p_listed;
  end if;

  v_old_before := queue.now() - (select s.stale_after from queue.settings as s);
  return least(p_listed, (
    select o.created_at
    from (
      select t.user_id, t.pool, t.run_type, t.created_at, t.attempts, t.params
      from public.tasks as t
      where t.standing = 'ready'
        and t.attempts = 0
        and t.created_at < p_listed
      order by t.created_at
      limit v_look_at
    ) as o
    where (p_pool is null or o.pool = p_pool)
      and case
        when p_caller.user_id is not null then o.user_id = p_caller.user_id
        else o.run_type = 'cloud'
          and (select l.is_open from queue.user_lines as l where l.user_id = o.user_id and l.pool = o.pool)
      end
      -- Asked only where the answer could be yes.
      and (o.created_at >= v_old_before or not queue.is_stale(o.created_at, o.attempts, o.params))
    order by o.created_at
    limit 1
  ));
end;
$$;

comment on function queue.oldest_claimable(queue.caller, text, timestamptz, boolean) is
  'When the oldest claimable task was enqueued: the older of the oldest in the list and, if the list was cut, of the 200 oldest tasks that were never started.';

revoke all on function queue.oldest_claimable(queue.caller, text, timestamptz, boolean) from public, anon, authenticated, service_role;

-- The users that a count lists: first those whose turn is next, then others with live work.
create function queue.listed_users(p_caller queue.caller, p_pool text, p_load queue.load_summary, p_turns queue.user_load_row[], p_limit integer)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_missing integer := greatest(p_limit - coalesce(cardinality(p_turns), 0), 0);
begin
  return (
    select coalesce(json_agg(u order by u.queued_tasks desc, u.ready_tasks desc, u.user_id), '[]')
    from (
      select
        t.user_id, t.claimable as queued_tasks, t.ready as ready_tasks, t.running as in_progress_tasks, t.task_limit,
        t.running >= t.task_limit as at_limit, t.reason as blocked_by
      from unnest(p_turns) as t
      union all
      (
        select o.user_id, 0, o.ready, o.running, o.task_limit, o.running >= o.task_limit, o.reason
        from (
          select a.user_id, a.ready, a.running, a.task_limit, a.reason
          from unnest(p_load.apart) as a
          where a.claimable = 0
            and a.ready + a.active > 0
          union all
          select l.user_id, l.ready_cloud + l.ready_cloud_orchestration, s.running, s.task_limit, s.cloud_reason
          from queue.user_lines as l
            join queue.user_slots as s on s.user_id = l.user_id
          where p_caller.user_id is null
            and p_load.users > p_load.owners
            and (p_pool is null or l.pool = p_pool)
            and not l.is_open
            and l.ready_cloud + l.ready_cloud_orchestration + l.active_cloud > 0
            and l.user_id not in (select a.user_id from unnest(p_load.apart) as a)
        ) as o
        limit v_missing
      )
    ) as u
  );
end;
$$;

comment on function queue.listed_users(queue.caller, text, queue.load_summary, queue.user_load_row[], integer) is
  'Up to p_limit users with live work as task_counts lists them: those in p_turns, then others as they come.';

revoke all on function queue.listed_users(queue.caller, text, queue.load_summary, queue.user_load_row[], integer) from public, anon, authenticated, service_role;

-- A line stays when its last task has ended, because most fill again soon. Counts walk over all lines, so those that
-- stayed empty for an hour go, and so do counters of blocked tasks that came to nothing.
create function queue.drop_empty_lines(p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_owners uuid[];
  v_dropped integer;
begin
  -- Under the owners' locks nobody fills a line meanwhile; owners that somebody serves are left for the next time.
  select array_agg(o.user_id)
  into v_owners
  from (
    select s.user_id
    from queue.user_slots as s
    where s.user_id in (
      select l.user_id
      from queue.user_lines as l
      where l.turn_at < queue.now() - interval '1 hour'
        and (
          l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
          l.active_cloud, l.active_cloud_orchestration, l.active_local, l.active_local_orchestration
        ) = (0, 0, 0, 0, 0, 0, 0, 0)
      limit p_limit
    )
    for no key update of s skip locked
  ) as o;

  delete from queue.user_lines as l
  where l.user_id = any (v_owners)
    and l.turn_at < queue.now() - interval '1 hour'
    and (
      l.ready_cloud, l.ready_cloud_orchestration, l.ready_local, l.ready_local_orchestration,
      l.active_cloud, l.active_cloud_orchestration, l.active_local, l.active_local_orchestration
    ) = (0, 0, 0, 0, 0, 0, 0, 0);
  get diagnostics v_dropped = row_count;

  delete from queue.blocked_tasks as b
  where b.user_id = any (v_owners)
    and b.task_count = 0;
  return v_dropped;
end;
$$;

comment on function queue.drop_empty_lines(integer) is
  'Deletes lines that have been empty for an hour, of at most p_limit owners, and these owners'' counters of nothing; returns how many lines.';

revoke all on function queue.drop_empty_lines(integer) from public, anon, authenticated, service_role;

-- What the derived counters should be, counted from the tasks. The one query that drift and reconcile share.
create or replace function queue.recount(p_user_id uuid)
returns setof queue.user_lines
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select
    c.user_id, c.pool,
    c.ready_cloud, c.ready_cloud_orchestration, c.ready_local, c.ready_local_orchestration,
    c.active_cloud, c.active_cloud_orchestration, c.active_local, c.active_local_orchestration,
    c.running,
    c.ready_cloud + c.ready_cloud_orchestration > 0
      and coalesce(s.cloud_reason, 'user_at_limit') = 'user_at_limit'
      and c.running < s.task_limit,
    null::timestamptz,
    s.task_limit,
    nullif(s.cloud_reason, 'user_at_limit')
  from (
    select
      t.user_id,
      t.pool,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'cloud' and t.takes_slot))::integer as ready_cloud,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'cloud' and not t.takes_slot))::integer as ready_cloud_orchestration,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'local' and t.takes_slot))::integer as ready_local,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'local' and not t.takes_slot))::integer as ready_local_orchestration,
      (count(*) filter (where t.standing = 'active' and t.token_id is null and t.takes_slot))::integer as active_cloud,
      (count(*) filter (where t.standing = 'active' and t.token_id is null and not t.takes_slot))::integer as active_cloud_orchestration,
      (count(*) filter (where t.standing = 'active' and t.token_id is not null and t.takes_slot))::integer as active_local,
      (count(*) filter (where t.standing = 'active' and t.token_id is not null and not t.takes_slot))::integer as active_local_orchestration,
      (sum(count(*) filter (where t.standing = 'active' and t.takes_slot)) over (partition by t.user_id))::integer as running
    from public.tasks as t
    where t.standing is not null
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    group by t.user_id, t.pool
  ) as c
    join queue.user_slots as s on s.user_id = c.user_id;
end;
$$;

comment on function queue.recount(uuid) is
  'The user_lines that the tasks themselves add up to, for one user or for all (null); turn_at is null.';

revoke all on function queue.recount(uuid) from public, anon, authenticated, service_role;

-- Users whose derived state is not what their user row and their tasks add up to. A stable function sees one snapshot,
-- so work that is going on is never mistaken for drift.
create or replace function queue.drift()
returns table (user_id uuid, pool text, stored jsonb, counted jsonb)
language plpgsql
stable
security definer -- recount and the lines are for nobody else
set search_path = ''
as $$
#variable_conflict use_column
begin
  -- What runs, and what the user row allows.
  return query
  select u.id, null::text, to_jsonb(s), to_jsonb(w)
  from public.users as u
    left join (
      select t.user_id, count(*)::integer as running
      from public.tasks as t
      where t.standing = 'active' and t.takes_slot
      group by t.user_id
    ) as r on r.user_id = u.id
    left join queue.user_slots as s on s.user_id = u.id
    cross join lateral queue.slots_of(u, coalesce(r.running, 0)) as w
  where s is distinct from w;

  return query
  with counted as (
    select
      c.user_id, c.pool,
      -- The copy of running is kept up where it orders the line.
      to_jsonb(c) - 'turn_at' - 'user_id' - 'pool' - case when c.is_open then '' else 'running' end as row_counts
    from queue.recount(null) as c
    where c.ready_cloud + c.ready_cloud_orchestration + c.ready_local + c.ready_local_orchestration
      + c.active_cloud + c.active_cloud_orchestration + c.active_local + c.active_local_orchestration > 0
  ),
  stored as (
    select l.user_id, l.pool, to_jsonb(l) - 'turn_at' - 'user_id' - 'pool' - case when l.is_open then '' else 'running' end as row_counts
    from queue.user_lines as l
    where l.is_open or l.ready_cloud <> 0 or l.ready_cloud_orchestration <> 0 or l.ready_local <> 0
      or l.ready_local_orchestration <> 0 or l.active_cloud <> 0 or l.active_cloud_orchestration <> 0
      or l.active_local <> 0 or l.active_local_orchestration <> 0
  )
  select coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool), s.row_counts, c.row_counts
  from counted as c
    full join stored as s on s.user_id = c.user_id and s.pool = c.pool
  where c.row_counts is distinct from s.row_counts;

  return query
  select
    coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(s.task_count, 0)),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(c.task_count, 0))
  from (
    select
      coalesce(t.user_id, '00000000-0000-0000-0000-000000000000') as user_id, t.pool, t.standing as reason,
      t.run_type is distinct from 'local' as is_cloud, count(*)::integer as task_count
    from public.tasks as t
    where t.standing not in ('ready', 'active')
    group by 1, 2, 3, 4
  ) as c
    full join queue.blocked_tasks as s
      on s.user_id = c.user_id and s.pool = c.pool and s.reason = c.reason and s.is_cloud = c.is_cloud
  where coalesce(c.task_count, 0) <> coalesce(s.task_count, 0);

  -- Families that are under way; the report of an orchestrator cannot be derived.
  return query
  select
    coalesce(c.user_id, s.user_id), null::text,
    to_jsonb(s) - 'changed_at' - 'enqueued_attempt', to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
  from queue.recount_families(array(
    select o.id from public.tasks as o where o.standing is not null and exists (select from queue.subtasks as x where x.orchestrator_id = o.id)
    union
    select k.orchestrator_id from queue.orchestrations as k where k.ended_as is null
  )) as c
    full join (
      select k.*
      from queue.orchestrations as k
      where k.ended_as is null
        and k.open_count + k.complete_count + k.failed_count + k.cancelled_count > 0
    ) as s on s.orchestrator_id = c.orchestrator_id
  where to_jsonb(s) - 'changed_at' - 'enqueued_attempt' is distinct from to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
    and (c.orchestrator_id is null or s.orchestrator_id is not null
      or c.open_count + c.complete_count + c.failed_count + c.cancelled_count > 0);

  -- Live tasks that nobody knows as the children that they are.
  return query
  select
    t.user_id, t.pool,
    (select to_jsonb(s) from queue.subtasks as s where s.task_id = t.id),
    jsonb_build_object('task_id', t.id, 'orchestrator_id', queue.parent_task_id(t.params))
  from public.tasks as t
  where t.standing is not null
    and t.user_id is not null
    and t.params ? 'orchestrator_task_id_ref'
    and queue.parent_task_id(t.params) <> t.id
    and not exists (
      select from queue.subtasks as s where s.task_id = t.id and s.orchestrator_id = queue.parent_task_id(t.params)
    );
end;
$$;

comment on function queue.drift() is
  'Derived state that is not what users and tasks add up to: owner, pool (null for the owner''s slots), what is stored, what was counted. No rows = no drift.';

revoke all on function queue.drift() from public, anon, authenticated, service_role;
grant execute on function queue.drift() to service_role;

-- Mends drift, owner by owner under the owner's lock: under it the tasks can be counted without anything moving.
create or replace function queue.reconcile()
returns integer
language plpgsql
volatile
security definer -- writes derived state for the operator
set search_path = ''
as $$
declare
  v_user_id uuid;
  v_turns jsonb;
  v_mended integer := 0;
begin
  for v_user_id in
    select distinct d.user_id from queue.drift() as d order by d.user_id
  loop
    -- The lock; a row that is gone comes back first, closed, so that there is something to lock.
    insert into queue.user_slots (user_id, task_limit, has_credits, cloud_on, local_on)
    select u.id, 0, false, false, false from public.users as u where u.id = v_user_id
    on conflict do nothing;
    perform from queue.user_slots as s where s.user_id = v_user_id for no key update;

    update queue.user_slots as s
    set running = w.running, task_limit = w.task_limit, has_credits = w.has_credits, cloud_on = w.cloud_on,
      local_on = w.local_on, settings_malformed = w.settings_malformed, cloud_reason = w.cloud_reason,
      local_reason = w.local_reason
    from public.users as u
      cross join lateral queue.slots_of(
        u, (select count(*)::integer from public.tasks as t where t.user_id = v_user_id and t.standing = 'active' and t.takes_slot)
      ) as w
    where u.id = v_user_id
      and s.user_id = v_user_id;

    -- Whoever waits for a turn goes on waiting where they were.
    select coalesce(jsonb_object_agg(l.pool, l.turn_at), '{}')
    into v_turns
    from queue.user_lines as l
    where l.user_id = v_user_id;
    delete from queue.user_lines as l where l.user_id = v_user_id;
    insert into queue.user_lines
    select (r.c).*
    from (
      select jsonb_populate_record(c, jsonb_build_object('turn_at', coalesce(v_turns ->> c.pool, queue.now()::text))) as c
      from queue.recount(v_user_id) as c
    ) as r;

    delete from queue.blocked_tasks as b where b.user_id = v_user_id;
    insert into queue.blocked_tasks (user_id, pool, reason, is_cloud, task_count)
    select v_user_id, t.pool, t.standing, t.run_type is distinct from 'local', count(*)
    from public.tasks as t
    where t.user_id is not distinct from nullif(v_user_id, '00000000-0000-0000-0000-000000000000')
      and t.standing not in ('ready', 'active')
    group by t.pool, t.standing, t.run_type is distinct from 'local';

    perform queue.reconcile_families(v_user_id);
    v_mended := v_mended + 1;
  end loop;
  return v_mended;
end;
$$;

comment on function queue.reconcile() is
  'Counts again for every owner whose counters have drifted and returns how many there were; 0 is what should come out.';

revoke all on function queue.reconcile() from public, anon, authenticated, service_role;
grant execute on function queue.reconcile() to service_role;

-- What time alone changes, once a minute: work that has become due, work that has grown stale, and a sample of the
-- counts. Bounded and safe to run twice or in parallel: rows that somebody holds are left for the next time.
create or replace function queue.sweep(p_limit integer default 1000)
returns json
language plpgsql
volatile
security definer -- writes derived state for pg_cron and the operator
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_stale_before timestamptz := v_now - (select s.stale_after from queue.settings as s);
  v_due uuid[];
  v_stale uuid[];
  v_last_event_id bigint;
begin
  select array_agg(d.id)
  into v_due
  from (
    select t.id
    from public.tasks as t
    where t.standing = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    limit p_limit
    for no key update skip locked
  ) as d;
  perform queue.ask_standing_again(coalesce(v_due, array[]::uuid[]));

  select array_agg(o.id)
  into v_stale
  from (
    select t.id
    from public.tasks as t
    where t.standing = 'ready'
      and t.attempts = 0
      and t.created_at < v_stale_before
      and queue.is_stale(t.created_at, t.attempts, t.params)
    limit p_limit
    for no key update skip locked
  ) as o;
  perform queue.ask_standing_again(coalesce(v_stale, array[]::uuid[]));

  -- A second sweep in the same minute has nothing to add to the sample.
  if not exists (select from queue.minute_samples as m where m.sampled_at > v_now - interval '30 seconds') then
    select coalesce(max(m.last_event_id), 0) into v_last_event_id from queue.minute_samples as m;

    insert into queue.minute_samples (sampled_at, pool, claimable, arrivals, completions, last_event_id)
    select
      v_now, p.pool, queue.claimable_count(('service', null, null)::queue.caller, p.pool),
      coalesce(e.arrivals, 0), coalesce(e.completions, 0), coalesce(n.id, v_last_event_id)
    from unnest(array['gpu', 'api']) as p (pool)
      cross join (select max(x.id) as id from public.task_events as x) as n
      left join (
        select
          t.pool,
          count(*) filter (where x.from_status is null) as arrivals,
          count(*) filter (where x.to_status = 'Complete' and x.from_status <> 'Complete') as completions
        from public.task_events as x
          join public.tasks as t on t.id = x.task_id
        where x.id > v_last_event_id
          and x.at > v_now - interval '5 minutes'
        group by t.pool
      ) as e on e.pool = p.pool
    on conflict do nothing;

    delete from queue.minute_samples as m where m.sampled_at < v_now - interval '1 day';
  end if;

  -- Last, because it locks owners until the end.
  perform queue.drop_empty_lines(p_limit);

  return json_build_object(
    'released', coalesce(cardinality(v_due), 0),
    'grown_stale', coalesce(cardinality(v_stale), 0)
  );
end;
$$;

comment on function queue.sweep(integer) is
  'Releases due tasks, sets stale ones aside (at most p_limit each) and samples the counts; returns {released, grown_stale}.';

revoke all on function queue.sweep(integer) from public, anon, authenticated, service_role;
grant execute on function queue.sweep(integer) to service_role;

-- Why a task is not running, what would have to change, and where in line it is.
create or replace function queue.explain_task(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
as $$
declare
  v_limit constant integer := 10000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks;
  v_standing text;
  v_slots queue.user_slots;
  v_line queue.user_lines;
  v_reason text;
  v_ahead integer;
  v_users_ahead integer;
  v_now timestamptz := queue.now();
  v_old_before timestamptz := v_now - (select s.stale_after from queue.settings as s);
begin
  select t.*
  into v_task
  from public.tasks as t
  where t.id = p_task_id
    and (v_caller.kind = 'service' or t.user_id = v_caller.user_id);
  if v_task.id is null then
    perform queue.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;

  -- Asked anew: what is stored may have been overtaken by time.
  v_standing := queue.task_standing(v_task);
  select s.* into v_slots from queue.user_slots as s where s.user_id = v_task.user_id;
  select l.* into v_line from queue.user_lines as l where l.user_id = v_task.user_id and l.pool = v_task.pool;

  v_reason := case
    when v_task.status <> 'Queued' then null
    when v_standing in ('ready', 'stale') then coalesce(
      case when v_task.run_type = 'local' then v_slots.local_reason
        else v_slots.cloud_reason
      end,
      nullif(v_standing, 'ready')
    )
    else v_standing
  end;

  if v_standing = 'ready' then
    select count(*)
    into v_ahead
    from (
      select
      from public.tasks as t
      where t.user_id = v_task.user_id
        and t.pool = v_task.pool
        and t.run_type = v_task.run_type
        and t.standing = 'ready'
        and (t.attempts > 0 or t.created_at >= v_old_before or not queue.is_stale(t.created_at, t.attempts, t.params))
        and (-t.priority, t.created_at, t.id) < (-v_task.priority, v_task.created_at, v_task.id)
      union all
      -- Due, but not yet released.
      select
      from public.tasks as d
      where d.standing = 'not_yet'
        and d.available_at <= v_now
        and d.user_id = v_task.user_id
        and d.pool = v_task.pool
        and d.run_type = v_task.run_type
        and d.id <> v_task.id
        and (-d.priority, d.created_at, d.id) < (-v_task.priority, v_task.created_at, v_task.id)
        and queue.task_standing(d) = 'ready'
      limit v_limit
    ) as a;

    -- A line that is empty begins to wait when its first task is released.
    if v_line.user_id is null or v_line.ready_cloud + v_line.ready_cloud_orchestration = 0 then
      v_line.turn_at := v_now;
    end if;

    select count(*)
    into v_users_ahead
    from (
      select
      from queue.user_lines as l
      where l.pool = v_task.pool
        and l.is_open
        and v_task.run_type = 'cloud' -- on the user's own machine nobody else takes turns
        and (l.running, l.turn_at) < (v_slots.running, v_line.turn_at)
      limit v_limit
    ) as u;
  end if;

  return json_build_object(
    'task_id', v_task.id,
    'status', v_task.status,
    'claimable', v_task.status = 'Queued' and v_reason is null,
    'reason', v_reason,
    'remedy', queue.remedy(coalesce(v_reason, case v_task.status when 'Queued' then 'ready' else v_task.status end))
      -- What only the fleet may not run, the owner's own machine may.
      || case
        when v_caller.user_id is not null and v_reason in ('no_credits', 'cloud_disabled')
          and v_standing = 'ready' and v_slots.local_reason is null then '; the owner''s own machine can run it now'
        else ''
      end,
    'pool', v_task.pool,
    'attempts', v_task.attempts,
    'max_attempts', queue.starts_allowed(v_task),
    'available_at', v_task.available_at,
    'worker_id', v_task.worker_id,
    'tasks_ahead', v_ahead,
    'users_ahead', v_users_ahead,
    'running', v_slots.running,
    'task_limit', v_slots.task_limit,
    'waits_for', (
      select json_agg(json_build_object('task_id', d.depends_on, 'status', t.status))
      from queue.task_dependencies as d
        -- Somebody else's task counts as missing, and nothing is said of it.
        left join public.tasks as t on t.id = d.depends_on and t.user_id is not distinct from v_task.user_id
      where d.task_id = v_task.id
        and t.status is distinct from 'Complete'
    )
  );
end;
$$;

comment on function queue.explain_task(jsonb, uuid) is 'See public.explain_task.';

revoke all on function queue.explain_task(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.explain_task(jsonb, uuid) to service_role;

-- Why a worker gets nothing.
create or replace function queue.explain_worker(p_caller jsonb, p_worker_id text, p_run_type text)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token']);
  v_pool text := coalesce(p_run_type, 'gpu');
  v_worker public.workers;
  v_limit integer;
  v_held json;
  v_held_count integer;
  v_load queue.load_summary;
  v_reason text;
begin
  if v_pool not in ('gpu', 'api') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be gpu or api, not %s', v_pool));
  end if;

  if v_caller.kind = 'service' then
    select w.* into v_worker from public.workers as w where w.id = p_worker_id;
  end if;

  select case v_pool when 'gpu' then s.gpu_tasks_per_worker else s.api_tasks_per_worker end
  into v_limit
  from queue.settings as s
  where p_worker_id <> all (s.shared_worker_ids);

  select
    count(*),
    coalesce(json_agg(json_build_object('task_id', t.id, 'task_type', t.task_type, 'claimed_at', t.claimed_at)), '[]')
  into v_held_count, v_held
  from public.tasks as t
  where t.worker_id = p_worker_id
    and t.status = 'In Progress'
    and t.token_id is not distinct from v_caller.token_id
    and t.pool = v_pool
    and t.takes_slot;

  v_load := queue.load_summary(v_caller, v_pool);

  v_reason := case
    when v_worker.status in ('terminating', 'terminated', 'error') then 'worker_' || v_worker.status
    when v_held_count >= v_limit then 'holds_all_it_may'
    when v_load.claimable = 0 then 'nothing_claimable'
  end;

  return json_build_object(
    'worker_id', p_worker_id,
    'known', v_worker.id is not null,
    'status', v_worker.status,
    'last_heartbeat', v_worker.last_heartbeat,
    'current_model', v_worker.current_model,
    'pool', v_pool,
    'gets_work', v_reason is null,
    'reason', v_reason,
    'remedy', case v_reason
      when 'holds_all_it_may' then 'It gets back what it holds until it completes or fails it'
      when 'nothing_claimable' then 'Nothing waits that this worker may run; blocked says what waits for what'
      else case when v_reason is null then 'Nothing: its next claim gets a task' else 'Claim under a new worker id' end
    end,
    'claimable', v_load.claimable,
    'holds', v_held,
    'blocked', queue.blocked_by_reason(v_caller, v_pool, v_load)
  );
end;
$$;

comment on function queue.explain_worker(jsonb, text, text) is 'See public.explain_worker.';

revoke all on function queue.explain_worker(jsonb, text, text) from public, anon, authenticated, service_role;
grant execute on function queue.explain_worker(jsonb, text, text) to service_role;

-- Families that were missed: an orchestrator whose children say that it has ended and which has not, and children that a
-- cancelled orchestrator left behind. Once a minute; bounded, safe to run twice or in parallel, and it waits for nobody:
-- what somebody holds is left for the next time.
create function queue.mend_orchestrations(p_limit integer default 100)
returns json
language plpgsql
volatile
security definer -- ends tasks for pg_cron and the operator
set search_path = ''
set enable_seqscan = off -- few families need it, however many there are
as $$
declare
  v_quiet_before timestamptz := queue.now() - (select s.family_quiet_after from queue.settings as s);
  v_family record;
  v_ended_as text;
  v_complete integer := 0;
  v_failed integer := 0;
  v_cancelled integer := 0;
  v_children integer := 0;
begin
  for v_family in
    select f.orchestrator_id, f.user_id, f.ended_as, f.is_quiet
    from (
      select o.orchestrator_id, o.user_id, o.ended_as, o.changed_at < v_quiet_before as is_quiet, o as family
      from queue.orchestrations as o
      where (
        o.ended_as is null
        and (o.failed_count > 0 or (o.open_count = 0 and o.complete_count + o.cancelled_count > 0))
      ) or (o.ended_as = 'Cancelled' and o.open_count > 0)
    ) as f
      join public.tasks as t on t.id = f.orchestrator_id and t.user_id = f.user_id
    where f.ended_as = 'Cancelled'
      or (t.status = 'In Progress' and queue.is_enqueued(f.family, t, f.is_quiet))
      or (t.status = 'Queued' and t.claimed_at is not null and (f.family).failed_count + (f.family).cancelled_count = 0
        and queue.is_enqueued(f.family, t, f.is_quiet))
    order by f.user_id, f.orchestrator_id
    limit p_limit
  loop
    perform from public.tasks as t where t.id = v_family.orchestrator_id for no key update skip locked;
    continue when not found;
    perform from queue.user_slots as s where s.user_id = v_family.user_id for no key update skip locked;
    continue when not found;

    if v_family.ended_as = 'Cancelled' then
      v_children := v_children + queue.cancel_children(array[v_family.orchestrator_id], 'Cancelled');
    else
      v_ended_as := queue.judge_orchestration(v_family.orchestrator_id, v_family.is_quiet);
      v_complete := v_complete + coalesce(v_ended_as = 'Complete', false)::integer;
      v_failed := v_failed + coalesce(v_ended_as = 'Failed', false)::integer;
      v_cancelled := v_cancelled + coalesce(v_ended_as = 'Cancelled', false)::integer;
    end if;
  end loop;

  return json_build_object(
    'completed', v_complete, 'failed', v_failed, 'cancelled', v_cancelled, 'children_cancelled', v_children
  );
end;
$$;

comment on function queue.mend_orchestrations(integer) is
  'Ends at most p_limit orchestrators that their children have ended, and the children that cancelled ones left; returns {completed, failed, cancelled, children_cancelled}.';

revoke all on function queue.mend_orchestrations(integer) from public, anon, authenticated, service_role;
grant execute on function queue.mend_orchestrations(integer) to service_role;

-- The tasks that name another one as their orchestrator. A family that the queue keeps count of is listed; one that had
-- ended before the queue did so, and one that has no child yet, is looked for among its owner's tasks since then. A day
-- more, because clocks are set back.
create function queue.children_of(p_orchestrator public.tasks, p_limit integer)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if exists (select from queue.orchestrations as o where o.orchestrator_id = p_orchestrator.id) then
    return query
    select t.*
    from queue.subtasks as s
      join public.tasks as t on t.id = s.task_id
    where s.orchestrator_id = p_orchestrator.id
      and t.user_id = p_orchestrator.user_id
    order by t.created_at, t.id
    limit p_limit;
    return;
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.user_id = p_orchestrator.user_id
    and t.created_at >= p_orchestrator.created_at - interval '1 day'
    and queue.parent_task_id(t.params) = p_orchestrator.id
    and t.id <> p_orchestrator.id
  order by t.created_at, t.id
  limit p_limit;
end;
$$;

comment on function queue.children_of(public.tasks, integer) is
  'Up to so many tasks of the same owner whose params name this one as their orchestrator, oldest first.';

revoke all on function queue.children_of(public.tasks, integer) from public, anon, authenticated, service_role;

-- Mends what is known of one user's families. The caller holds the user's lock.
create function queue.reconcile_families(p_user_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into queue.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
  select c.task_id, c.orchestrator_id, c.user_id, c.task_type, c.final_rank, c.part_index
  from (
    select t.created_at, (queue.subtask_of(t.id, t.user_id, t.task_type, t.params)).*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.standing is not null
      and t.params ? 'orchestrator_task_id_ref'
  ) as c
  where c.task_id is not null
  order by c.created_at, c.task_id
  on conflict (task_id) do update
    set orchestrator_id = excluded.orchestrator_id,
      task_type = excluded.task_type,
      final_rank = excluded.final_rank,
      part_index = excluded.part_index;

  insert into queue.orchestrations as o
  select r.*
  from queue.recount_families(array(
    select t.id
    from public.tasks as t
    where t.user_id = p_user_id
      and t.standing is not null
      and exists (select from queue.subtasks as s where s.orchestrator_id = t.id)
    union
    select k.orchestrator_id from queue.orchestrations as k where k.user_id = p_user_id and k.ended_as is null
  )) as r
  on conflict (orchestrator_id) do update
    set user_id = excluded.user_id,
      open_count = excluded.open_count,
      complete_count = excluded.complete_count,
      failed_count = excluded.failed_count,
      cancelled_count = excluded.cancelled_count,
      segment_count = excluded.segment_count,
      join_count = excluded.join_count,
      stitch_count = excluded.stitch_count,
      ended_as = excluded.ended_as
    where (
      o.user_id, o.open_count, o.complete_count, o.failed_count, o.cancelled_count, o.segment_count, o.join_count, o.stitch_count, o.ended_as
    ) is distinct from (
      excluded.user_id, excluded.open_count, excluded.complete_count, excluded.failed_count, excluded.cancelled_count,
      excluded.segment_count, excluded.join_count, excluded.stitch_count, excluded.ended_as
    );

  delete from queue.orchestrations as o
  where o.user_id = p_user_id
    and o.ended_as is null
    and not exists (select from public.tasks as t where t.id = o.orchestrator_id and t.user_id = o.user_id);
end;
$$;

comment on function queue.reconcile_families(uuid) is
  'Finds the children that are not known as such and counts the families of this user again.';

revoke all on function queue.reconcile_families(uuid) from public, anon, authenticated, service_role;

-- Whether the queue looks after itself: its jobs run, its counters agree. What the fleet does is in worker_health, what
-- waits in task_counts.
create function queue.health(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_reasons json;
begin
  perform queue.resolve_caller(p_caller, array['service']);

  select coalesce(json_agg(json_build_object('code', r.code, 'message', r.message)), '[]')
  into v_reasons
  from (
    select case when l.is_failing then 'JOB_FAILED' else 'JOB_LATE' end as code, l.message
    from queue.late_jobs() as l
    union all
    select 'DRIFT', pg_catalog.format(
      'The counters of %s owners had drifted and were mended at %s; please report it', r.result ->> 'mended', r.ran_at
    )
    from queue.job_runs as r
    where r.job = 'reconcile'
      and (r.result ->> 'mended')::integer > 0
  ) as r;

  return json_build_object(
    'status', case when json_array_length(v_reasons) = 0 then 'ok' else 'degraded' end,
    'reasons', v_reasons,
    'checked_at', v_now,
    'database_started_at', pg_postmaster_start_time(),
    'jobs', (
      select json_agg(json_build_object(
        'job', r.job,
        'period_seconds', extract(epoch from r.period),
        'ran_at', r.ran_at,
        'took_ms', round((extract(epoch from r.took) * 1000)::numeric, 1),
        'result', r.result,
        'failed_at', r.failed_at,
        'error', r.error
      ) order by r.job)
      from queue.job_runs as r
    )
  );
end;
$$;

comment on function queue.health(jsonb) is 'See public.health.';

revoke all on function queue.health(jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.health(jsonb) to service_role;

-- The project of a task to come. Deployed orchestrators know no better than "default_project_id" at times; their
-- task then belongs where its parent does.
create function queue.project_for(p_caller queue.caller, p_project text, p_params jsonb)
returns public.projects
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_project public.projects;
begin
  if p_project ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    select p.*
    into v_project
    from public.projects as p
    where p.id = p_project::uuid
      and (p_caller.kind = 'service' or p.user_id = p_caller.user_id);
    return v_project;
  end if;

  select p.*
  into v_project
  from unnest(queue.named_parents(p_params)) with ordinality as n (id, place)
    join public.tasks as t on t.id = n.id
    join public.projects as p on p.id = t.project_id
  where p_caller.kind = 'service'
    or t.user_id = p_caller.user_id
  order by n.place
  limit 1;
  return v_project;
end;
$$;

comment on function queue.project_for(queue.caller, text, jsonb) is
  'The caller''s project that a text names or, when it is no UUID, that of the orchestrator in params; null when there is none.';

revoke all on function queue.project_for(queue.caller, text, jsonb) from public, anon, authenticated, service_role;

-- What a caller asks for, with its owner looked up. Who is not the service decides neither age nor owner.
create function queue.read_task_request(p_caller queue.caller, p_body jsonb)
returns queue.task_request
language plpgsql
volatile -- gives an id to a task that came without one
security invoker
set search_path = ''
as $$
declare
  v_request queue.task_request := jsonb_populate_record(null::queue.task_request, p_body);
  v_project public.projects;
begin
  if coalesce(v_request.task_type, '') = '' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A task must have a task_type');
  elsif v_request.task_id = any (v_request.depends_on) then
    perform queue.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  end if;

  v_request.task_id := coalesce(v_request.task_id, gen_random_uuid());
  v_request.params := queue.params_object(v_request.params);
  if p_caller.kind <> 'service' then
    v_request.created_at := null;
  end if;

  v_project := queue.project_for(p_caller, v_request.project, v_request.params);
  v_request.project_id := v_project.id;
  v_request.owner_id := coalesce(v_project.user_id, p_caller.user_id);
  return v_request;
end;
$$;

comment on function queue.read_task_request(queue.caller, jsonb) is
  'Reads one requested task {task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key, max_attempts, timeout_seconds, created_at} and finds its project and owner.';

revoke all on function queue.read_task_request(queue.caller, jsonb) from public, anon, authenticated, service_role;

-- The task that answers a request already: that of the same id, whatever has become of it, else that of the same key.
create function queue.task_for_request(p_caller queue.caller, p_request queue.task_request)
returns public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  select t.* into v_task from public.tasks as t where t.id = p_request.task_id;

  -- Says no more than that the id cannot be had, and an insert would tell that too.
  if v_task.user_id <> p_request.owner_id or (v_task.id is not null and v_task.user_id is null and p_caller.kind <> 'service') then
    perform queue.refuse(
      409, 'TASK_ID_TAKEN',
      pg_catalog.format('The task id %s cannot be used', p_request.task_id),
      'Choose a new random id'
    );
  end if;

  if v_task.id is null and p_request.idempotency_key is not null then
    select t.*
    into v_task
    from public.tasks as t
    where t.user_id = p_request.owner_id
      and t.idempotency_key = p_request.idempotency_key;
  end if;
  return v_task;
end;
$$;

comment on function queue.task_for_request(queue.caller, queue.task_request) is
  'The task that a request names by its id or, for its owner, by its idempotency key; null when it is new. Raises 409 TASK_ID_TAKEN when the id is that of another owner''s task.';

revoke all on function queue.task_for_request(queue.caller, queue.task_request) from public, anon, authenticated, service_role;

-- What create-task answers for one task. Without params: who sent them has them.
create function queue.created_reply(p_task public.tasks, p_is_new boolean)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'status', p_task.status,
    'created', p_is_new,
    'task_type', p_task.task_type,
    'project_id', p_task.project_id,
    'dependant_on', p_task.dependant_on,
    'run_type', p_task.run_type,
    'priority', p_task.priority,
    'available_at', p_task.available_at,
    'idempotency_key', p_task.idempotency_key,
    'output_location', p_task.output_location,
    'created_at', p_task.created_at
  );
end;
$$;

comment on function queue.created_reply(public.tasks, boolean) is
  'The reply about a task that was enqueued, now (created) or before: task_id, status, created, task_type, project_id, dependant_on, run_type, priority, available_at, idempotency_key, output_location, created_at.';

revoke all on function queue.created_reply(public.tasks, boolean) from public, anon, authenticated, service_role;

-- The rows of requests that are new, in one statement, so that each counter moves once. In the order of the ids:
-- two batches with the same ids meet at the first of them and not crosswise.
create function queue.insert_requested_tasks(p_requests queue.task_request[])
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_created uuid[];
  v_waiting uuid[];
begin
  with new_task as (
    insert into public.tasks (
      id, task_type, params, project_id, dependant_on, run_type, priority, available_at, idempotency_key,
      max_attempts, timeout, created_at
    )
    select
      n.task_id, n.task_type, n.params, n.project_id, n.depends_on[1], coalesce(n.run_type, 'cloud'),
      coalesce(n.priority, 0), n.available_at, n.idempotency_key, n.max_attempts,
      make_interval(secs => n.timeout_seconds),
      -- Tasks of one batch keep their order in line.
      coalesce(n.created_at, queue.now() + (n.place - 1) * interval '1 microsecond')
    from unnest(p_requests) with ordinality as n (
      task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key,
      max_attempts, timeout_seconds, created_at, project_id, owner_id, place
    )
    order by n.task_id
    -- By somebody who inserts into the table directly, a moment ago.
    on conflict do nothing
    returning id
  )
  select array_agg(t.id) into v_created from new_task as t;

  -- The first dependency is in the row itself. Nobody sees the row before the others are there.
  insert into queue.task_dependencies (task_id, depends_on)
  select distinct n.task_id, d.id
  from unnest(p_requests) as n
    cross join unnest(n.depends_on) as d (id)
  where n.task_id = any (v_created)
  on conflict do nothing;

  select array_agg(n.task_id)
  into v_waiting
  from unnest(p_requests) as n
  where n.task_id = any (v_created)
    and cardinality(n.depends_on) > 1;
  if v_waiting is not null then
    perform queue.refuse_cycles(v_waiting);
    perform queue.ask_standing_again(v_waiting);
  end if;
  return coalesce(v_created, array[]::uuid[]);
end;
$$;

comment on function queue.insert_requested_tasks(queue.task_request[]) is
  'Inserts requested tasks with all their dependencies and returns the ids of those that were not there yet.';

revoke all on function queue.insert_requested_tasks(queue.task_request[]) from public, anon, authenticated, service_role;

-- Requests of one owner are looked at one after the other: of the same id or key sent twice at once the second finds
-- the first. Taken before any row, in one order, by nobody else; so it cannot close a circle of waits.
create function queue.lock_enqueuing(p_requests queue.task_request[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock(l.key)
  from (
    select distinct hashtextextended('enqueue:' || r.owner_id, 0) as key
    from unnest(p_requests) as r
    where r.owner_id is not null
    order by 1
  ) as l;
end;
$$;

comment on function queue.lock_enqueuing(queue.task_request[]) is
  'Keeps other requests of the same owners waiting until this transaction ends.';

revoke all on function queue.lock_enqueuing(queue.task_request[]) from public, anon, authenticated, service_role;

-- A task without a project would have no owner, and nobody's credits could pay for it.
create function queue.refuse_homeless_task(p_request queue.task_request)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_request.project_id is not null then
    return;
  elsif p_request.project ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    perform queue.refuse(
      404, 'PROJECT_NOT_FOUND',
      pg_catalog.format('There is no project %s', p_request.project),
      'Check the id and whose token is used'
    );
  end if;
  perform queue.refuse(
    400, 'PROJECT_REQUIRED',
    pg_catalog.format(
      'The project_id %s is no UUID, and params name no orchestrator whose project could be taken',
      coalesce(to_json(left(p_request.project, 100))::text, 'null')
    ),
    'Send the project''s UUID, or the parent in params.orchestrator_task_id_ref'
  );
end;
$$;

comment on function queue.refuse_homeless_task(queue.task_request) is
  'Raises 404 PROJECT_NOT_FOUND or 400 PROJECT_REQUIRED when the request leads to no project of the caller.';

revoke all on function queue.refuse_homeless_task(queue.task_request) from public, anon, authenticated, service_role;

-- Enqueues tasks, all of them or none (docs/architecture.md, "Enqueuing"). What was enqueued before, under the same id
-- or key, is answered as it is now: the reply to the first request may have been lost.
create function queue.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json
language plpgsql
volatile
security definer -- the queue's own way of enqueuing
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_requests queue.task_request[];
  v_new queue.task_request[] := array[]::queue.task_request[];
  v_request queue.task_request;
  v_task public.tasks;
  v_replies json[] := array[]::json[];
  v_created uuid[] := array[]::uuid[];
  -- Ids of this batch, and the tasks that have been there under the same key.
  v_sent uuid[] := array[]::uuid[];
  v_known uuid[] := array[]::uuid[];
begin
  if jsonb_typeof(p_tasks) is distinct from 'array' or jsonb_array_length(p_tasks) not between 1 and 1000 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A batch must hold 1 to 1000 tasks', 'Send several batches');
  end if;

  select array_agg(queue.read_task_request(v_caller, b.body) order by b.place)
  into v_requests
  from jsonb_array_elements(p_tasks) with ordinality as b (body, place);

  perform queue.lock_enqueuing(v_requests);

  foreach v_request in array v_requests loop
    v_task := queue.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform queue.refuse_homeless_task(v_request);
      v_new := v_new || v_request;
    elsif v_task.id <> v_request.task_id then
      v_sent := v_sent || v_request.task_id;
      v_known := v_known || v_task.id;
    end if;
  end loop;

  if cardinality(v_new) > 0 then
    if cardinality(v_sent) > 0 then
      for v_place in 1..cardinality(v_new) loop
        v_new[v_place].depends_on := array(
          select coalesce(v_known[array_position(v_sent, d.id)], d.id)
          from unnest(v_new[v_place].depends_on) with ordinality as d (id, place)
          order by d.place
        );
      end loop;
    end if;

    perform queue.say(queue.caller_name(v_caller));
    v_created := queue.insert_requested_tasks(v_new);
    perform queue.say(null);
  end if;

  foreach v_request in array v_requests loop
    v_task := queue.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform queue.refuse(
        503, 'UNAVAILABLE', pg_catalog.format('Task %s came and went at this moment', v_request.task_id), 'Repeat the same request'
      );
    end if;
    v_replies := v_replies || queue.created_reply(v_task, v_task.id = any (v_created));
  end loop;
  return array_to_json(v_replies);
end;
$$;

comment on function queue.create_tasks(jsonb, jsonb) is 'See public.create_tasks.';

revoke all on function queue.create_tasks(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.create_tasks(jsonb, jsonb) to service_role;

-- The task that a question is about. Somebody else's task answers exactly like one that does not exist.
create function queue.readable_task(p_caller queue.caller, p_task_id uuid)
returns public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  select t.*
  into v_task
  from public.tasks as t
  where t.id = p_task_id
    and (p_caller.kind = 'service' or t.user_id = p_caller.user_id);

  if v_task.id is null then
    perform queue.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;
  return v_task;
end;
$$;

comment on function queue.readable_task(queue.caller, uuid) is
  'The task; 404 TASK_NOT_FOUND when it does not exist or is not the caller''s.';

revoke all on function queue.readable_task(queue.caller, uuid) from public, anon, authenticated, service_role;

-- What JSON may carry and Postgres cannot store: \u0000, and halves of a surrogate pair. Both become U+FFFD, the
-- character for what cannot be shown, so that one odd byte in one log line costs one character.
create function queue.readable_json(p_json json)
returns json
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_text text := p_json::text;
  -- Stands for an escaped backslash meanwhile, so that \\u0000 stays the six characters it means. JSON text holds no
  -- control characters, so this one is free.
  v_backslash constant text := chr(1);
begin
  if v_text !~* '\\u(0000|d[89a-f])' then
    return p_json;
  end if;

  v_text := replace(v_text, '\\', v_backslash);
  v_text := replace(v_text, '\u0000', '\ufffd');
  v_text := regexp_replace(v_text, '\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})', '\\ufffd', 'gi');
  v_text := regexp_replace(v_text, '(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}', '\\ufffd', 'gi');
  return replace(v_text, v_backslash, '\\')::json;
end;
$$;

comment on function queue.readable_json(json) is
  'The same JSON with U+FFFD in place of every \u0000 and of every surrogate without its other half.';

revoke all on function queue.readable_json(json) from public, anon, authenticated, service_role;

-- When a log line was written, as its sender says, if that can be true. Logs are read and purged by this time: a line
-- dated next year would never go, one from 1970 would be gone before anyone has read it.
create function queue.log_time(p_text text, p_now timestamptz)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
set timezone = 'UTC' -- what a time without a zone means
as $$
declare
  v_time timestamptz;
begin
  -- Also keeps out words that Postgres reads as times: now, today, infinity.
  if p_text !~ '^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}' then
    return p_now;
  end if;
  v_time := p_text::timestamptz;
  if v_time between p_now - interval '1 day' and p_now + interval '5 minutes' then
    return v_time;
  end if;
  return p_now;
exception
  when data_exception then
    return p_now;
end;
$$;

comment on function queue.log_time(text, timestamptz) is
  'The time a log line names, if it is one of the last day and not ahead of the clock; else the time given as now.';

revoke all on function queue.log_time(text, timestamptz) from public, anon, authenticated, service_role;

-- What a log line carries beside its message. Always an object, whatever came.
create function queue.log_metadata(p_metadata json)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case json_typeof(p_metadata)
    when 'object' then p_metadata::jsonb
    when 'null' then '{}'
    else jsonb_build_object('metadata', p_metadata::jsonb)
  end;
exception
  -- json takes numbers of any size, jsonb does not.
  when numeric_value_out_of_range then
    return jsonb_build_object('metadata', p_metadata::text);
end;
$$;

comment on function queue.log_metadata(json) is
  'The metadata of a log line as an object; what is none, or cannot be stored as one, is under the key metadata.';

revoke all on function queue.log_metadata(json) from public, anon, authenticated, service_role;

-- Stores every log line it can. All in one statement; only if that fails, by halves, so that a line that cannot be
-- stored costs itself and no other.
create function queue.store_logs(p_logs json[], p_worker_id text, p_now timestamptz)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_max_length integer := (select s.max_text_length from queue.settings as s);
  v_half integer := cardinality(p_logs) / 2;
  v_count integer;
begin
  insert into public.system_logs (
    "timestamp", source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata
  )
  select
    queue.log_time(l.entry ->> 'timestamp', p_now),
    case when p_worker_id is null then coalesce(left(l.entry ->> 'source_type', 200), 'unknown') else 'worker' end,
    coalesce(p_worker_id, left(l.entry ->> 'source_id', 200)),
    coalesce(left(l.entry ->> 'log_level', 200), left(l.entry ->> 'level', 200), 'INFO'),
    case
      when length(l.entry ->> 'message') > v_max_length then queue.cut_text(l.entry ->> 'message')
      else coalesce(l.entry ->> 'message', '')
    end,
    -- No longer than an index can hold.
    left(l.entry ->> 'task_id', 200),
    coalesce(p_worker_id, left(l.entry ->> 'worker_id', 200)),
    case when l.entry ->> 'cycle_number' ~ '^\d{1,9}$' then (l.entry ->> 'cycle_number')::integer end,
    case
      when (l.entry -> 'metadata')::text = '{}' or l.entry -> 'metadata' is null then '{}'
      when length((l.entry -> 'metadata')::text) > v_max_length
        then jsonb_build_object('metadata', queue.cut_text((l.entry -> 'metadata')::text))
      else queue.log_metadata(l.entry -> 'metadata')
    end
  from unnest(p_logs) as l (entry)
  where json_typeof(l.entry) = 'object';

  get diagnostics v_count = row_count;
  return v_count;
exception
  when data_exception or integrity_constraint_violation or program_limit_exceeded then
    if v_half = 0 then
      return 0;
    end if;
    return queue.store_logs(p_logs[:v_half], p_worker_id, p_now)
      + queue.store_logs(p_logs[v_half + 1:], p_worker_id, p_now);
end;
$$;

comment on function queue.store_logs(json[], text, timestamptz) is
  'Stores log lines as docs/architecture.md describes them, as a worker''s own when it is named, and returns how many it could.';

revoke all on function queue.store_logs(json[], text, timestamptz) from public, anon, authenticated, service_role;

-- The lines of a request, as many as one request may bring.
create function queue.bounded_logs(p_logs json, out logs json[], out surplus integer)
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max integer := (select s.max_logs_per_call from queue.settings as s);
begin
  logs := array[]::json[];
  surplus := 0;
  if json_typeof(p_logs) = 'array' then
    surplus := greatest(json_array_length(p_logs) - v_max, 0);
    logs := array(
      select l.entry
      from json_array_elements(p_logs) with ordinality as l (entry, place)
      where l.place <= v_max
      order by l.place
    );
  elsif json_typeof(p_logs) <> 'null' then
    surplus := 1;
  end if;
end;
$$;

comment on function queue.bounded_logs(json) is
  'The first queue.settings.max_logs_per_call elements of an array, and how many there are beyond; what is no array counts as one beyond.';

revoke all on function queue.bounded_logs(json) from public, anon, authenticated, service_role;

-- One sign of life of a worker. Time is the database's; what the row already knows stays, whoever writes at the same
-- moment, because nothing is read before it is written.
create function queue.beat(p_worker_id text, p_status text, p_vram_total json, p_vram_used json, p_now timestamptz)
returns text
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_vram jsonb := '{}'::jsonb;
  v_status text;
begin
  -- Longer ids than this fit no index.
  if p_worker_id is null or length(p_worker_id) not between 1 and 200 then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'A beat names its worker in 1 to 200 characters', 'Send worker_id_param'
    );
  end if;

  -- Without nvidia-smi a worker sends 0/0: then it knows nothing, and what was known before is left.
  if p_vram_total::text ~ '^[1-9]\d{0,8}(\.\d{1,9})?$' then
    v_vram := jsonb_strip_nulls(jsonb_build_object(
      'vram_total_mb', p_vram_total::jsonb,
      'vram_used_mb', case when p_vram_used::text ~ '^\d{1,9}(\.\d{1,9})?$' then p_vram_used::jsonb end,
      'vram_timestamp', round(extract(epoch from p_now), 3)
    ));
  end if;

  update public.workers as w
  set last_heartbeat = p_now,
    status = case
      when w.status in ('terminating', 'terminated') or (w.status = 'error' and w.reaped_at is null) then w.status
      when p_status = 'crashed' then 'crashed'
      -- The reaper's error only meant silence.
      when w.status in ('inactive', 'spawning', 'crashed', 'error') then 'active'
      else w.status
    end,
    metadata = case
      when w.reaped_at is null and w.status <> 'crashed' then w.metadata
      -- What was wrong is over, or something else is.
      else w.metadata - '{error_reason,error_time}'::text[]
        || jsonb_build_object('last_error_reason', w.metadata -> 'error_reason')
    end || v_vram
  where w.id = p_worker_id
  returning w.status into v_status;

  if not found then
    insert into public.workers as w (id, instance_type, status, last_heartbeat, created_at, metadata)
    values (p_worker_id, 'external', p_status, p_now, p_now, v_vram)
    -- Two first beats at once.
    on conflict (id) do update set last_heartbeat = excluded.last_heartbeat
    returning w.status into v_status;
  end if;
  return v_status;
end;
$$;

comment on function queue.beat(text, text, json, json, timestamptz) is
  'Records a beat and returns the worker''s status after it. Unknown workers are added; inactive, spawning and crashed ones and those that only the reaper set to error become active; terminating, terminated and anybody else''s error stay. 400 INVALID_ARGUMENT without an id.';

revoke all on function queue.beat(text, text, json, json, timestamptz) from public, anon, authenticated, service_role;

-- A worker that beats runs what it holds: its tasks move, so that no clean-up takes them for dead. Those that it named
-- itself have arrived there. A task that somebody is just changing is left: it moves anyway. No index knows these
-- columns, so that the rows change in place.
create function queue.show_signs_of_life(p_worker_id text, p_named uuid[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.tasks as t
  set updated_at = p_now,
    delivered_at = case when t.id = any (p_named) then coalesce(t.delivered_at, p_now) else t.delivered_at end,
    reported_at = case when t.id = any (p_named) then p_now else t.reported_at end
  from (
    select h.id
    from public.tasks as h
    where h.worker_id = p_worker_id
      and h.status = 'In Progress'
      and h.token_id is null
    order by h.id
    for no key update skip locked
  ) as held
  where t.id = held.id;
end;
$$;

comment on function queue.show_signs_of_life(text, uuid[], timestamptz) is
  'Moves updated_at of the tasks this worker runs with the service key, and delivered_at and reported_at of those among them that it named.';

revoke all on function queue.show_signs_of_life(text, uuid[], timestamptz) from public, anon, authenticated, service_role;

-- What a worker should let go of: what was cancelled under it in the last hour, and what it seems to run (it named it)
-- although it is no longer its own. Lines about a task that this worker has completed come later than the completion;
-- they are no reason to say anything.
create function queue.tasks_to_stop(p_worker_id text, p_named uuid[], p_current uuid, p_now timestamptz)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(json_agg(json_build_object('task_id', s.id, 'reason', s.reason) order by s.id), '[]')
    from (
      select t.id, 'cancelled' as reason
      from public.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'Cancelled'
        and t.token_id is null
        and t.updated_at > p_now - interval '1 hour'
      union
      select
        n.id,
        case t.status
          when 'Queued' then 'taken_back'
          when 'In Progress' then 'held_by_another'
          when 'Complete' then 'completed_by_another'
          when 'Failed' then 'failed'
          when 'Cancelled' then 'cancelled'
          else 'deleted'
        end
      from unnest(p_named) as n (id)
        left join public.tasks as t on t.id = n.id
      where case
        when t.id is null then n.id = p_current
        when t.status in ('In Progress', 'Complete') then t.worker_id is distinct from p_worker_id or t.token_id is not null
        else true
      end
    ) as s
  );
end;
$$;

comment on function queue.tasks_to_stop(text, uuid[], uuid, timestamptz) is
  'What this worker should stop, as [{task_id, reason}]: cancelled, failed, taken_back, held_by_another, completed_by_another or deleted.';

revoke all on function queue.tasks_to_stop(text, uuid[], uuid, timestamptz) from public, anon, authenticated, service_role;

-- Orchestrators read a worker, think, and PATCH status and metadata whole. What a beat wrote in between must survive
-- that, and so must the id of the rented machine: without it nobody can switch that machine off.
create function queue.workers_before_write()
returns trigger
language plpgsql
security definer -- asks who is behind the change on behalf of any caller who may write
set search_path = ''
as $$
begin
  new.metadata := coalesce(new.metadata, case when tg_op = 'UPDATE' then old.metadata end, '{}');

  if tg_op = 'UPDATE' then
    -- Whoever else says the status, it is no longer the reaper's.
    if new.reaped_at is not distinct from old.reaped_at then
      new.reaped_at := null;
    end if;

    if old.metadata ? 'runpod_id' and not new.metadata ? 'runpod_id' then
      new.metadata := new.metadata || jsonb_build_object('runpod_id', old.metadata -> 'runpod_id');
    end if;
    -- A beat moves last_heartbeat and knows better than anyone.
    if new.last_heartbeat is not distinct from old.last_heartbeat
      and not coalesce(new.metadata -> 'vram_timestamp' >= old.metadata -> 'vram_timestamp', false) then
      new.metadata := new.metadata || coalesce(
        (select jsonb_object_agg(k.key, k.value) from jsonb_each(old.metadata) as k where k.key like 'vram\_%'), '{}'
      );
    end if;
  end if;

  if new.status not in ('terminated', 'error', 'crashed') then
    new.failed_at := null;
  elsif new.failed_at is null and (
    new.status <> 'terminated'
    or coalesce(new.metadata ->> 'error_reason', '') <> ''
    or exists (
      select from public.tasks as t where t.worker_id = new.id and t.status = 'In Progress' and t.token_id is null
    )
  ) then
    new.failed_at := queue.now();
  end if;

  if new.status in ('terminated', 'error', 'crashed') and coalesce(new.metadata ->> 'error_reason', '') = '' then
    new.metadata := new.metadata || jsonb_build_object(
      'error_reason',
      case new.status
        when 'crashed' then 'The worker process is gone, as its guardian reported'
        else pg_catalog.format(
          'Set to %s without a reason by %s%s', new.status, queue.actor(),
          case when tg_op = 'UPDATE' then pg_catalog.format('; it was %s, last beat %s', old.status, coalesce(old.last_heartbeat::text, 'never')) end
        )
      end
    );
  end if;
  return new;
end;
$$;

comment on function queue.workers_before_write() is
  'Trigger: a change of a worker keeps runpod_id (unless it is set to null) and the newest vram_* keys, gives every end a metadata.error_reason and every failure its time.';

revoke all on function queue.workers_before_write() from public, anon, authenticated, service_role;

create trigger workers_before_write
  before insert or update of status, metadata, reaped_at on public.workers
  for each row execute function queue.workers_before_write();

-- The reaper's own way to set a worker aside. What it marks so, a beat may undo.
create function queue.mark_reaped(p_worker_id text, p_reason text)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.workers as w
  set status = 'error',
    reaped_at = queue.now(),
    metadata = w.metadata || jsonb_build_object('error_reason', p_reason, 'error_time', queue.now())
  where w.id = p_worker_id
    and w.status not in ('terminating', 'terminated', 'error', 'crashed');
  return found;
end;
$$;

comment on function queue.mark_reaped(text, text) is
  'Sets a worker to error with this reason, in a way that its next beat takes back; false when it is ending, had ended already or does not exist.';

revoke all on function queue.mark_reaped(text, text) from public, anon, authenticated, service_role;

-- When anybody last said a word about a running task. A beat says only that its worker lives.
create function queue.last_word(p_task public.tasks)
returns timestamptz
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return greatest(p_task.claimed_at, p_task.generation_started_at, p_task.delivered_at, p_task.reported_at);
end;
$$;

comment on function queue.last_word(public.tasks) is
  'When the task was handed out, or when a call or a log last named it, whichever is later.';

revoke all on function queue.last_word(public.tasks) from public, anon, authenticated, service_role;

-- What the history after an event adds to the number of tasks in a final status.
create function queue.ended_since(p_status text, p_after bigint, p_up_to bigint)
returns bigint
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select
      count(*) filter (where e.to_status = p_status and e.from_status is distinct from e.to_status)
      - count(*) filter (where e.from_status = p_status and e.from_status <> e.to_status)
      - count(*) filter (where e.from_status = p_status and e.from_status = e.to_status and e.reason = 'deleted')
    from public.task_events as e
    where e.id > p_after
      and e.id <= p_up_to
  );
end;
$$;

comment on function queue.ended_since(text, bigint, bigint) is
  'How many tasks more (or fewer) have this final status after the events between these two ids.';

revoke all on function queue.ended_since(text, bigint, bigint) from public, anon, authenticated, service_role;

-- Counts the history on, once a minute. The last minutes are left for the next time: ids are given out before their
-- transactions end, so that a late one could be missed.
create function queue.count_on()
returns json
language plpgsql
volatile
security definer -- writes derived state for pg_cron and the operator
set search_path = ''
as $$
declare
  v_up_to bigint;
begin
  insert into queue.status_totals (status, task_count, last_event_id)
  select s.status, 0, 0
  from unnest(array['Complete', 'Failed', 'Cancelled']) as s (status)
  on conflict do nothing;

  -- Walked from the end, so that it costs what the last minutes brought.
  select e.id
  into v_up_to
  from public.task_events as e
  where e.at < queue.now() - interval '2 minutes'
  order by e.id desc
  limit 1;

  update queue.status_totals as s
  set task_count = s.task_count + queue.ended_since(s.status, s.last_event_id, v_up_to),
    last_event_id = v_up_to
  where s.last_event_id < v_up_to;

  return (select json_object_agg(s.status, s.task_count) from queue.status_totals as s);
end;
$$;

comment on function queue.count_on() is
  'Brings queue.status_totals up to what happened two minutes ago; returns the totals.';

revoke all on function queue.count_on() from public, anon, authenticated, service_role;
grant execute on function queue.count_on() to service_role;

-- How many tasks have this final status now.
create function queue.ended_total(p_status text)
returns bigint
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_total queue.status_totals;
begin
  select s.* into v_total from queue.status_totals as s where s.status = p_status;
  return coalesce(v_total.task_count, 0)
    + queue.ended_since(p_status, coalesce(v_total.last_event_id, 0), 9223372036854775807);
end;
$$;

comment on function queue.ended_total(text) is
  'How many tasks are Complete, Failed or Cancelled: what was counted so far and what the history adds since.';

revoke all on function queue.ended_total(text) from public, anon, authenticated, service_role;

-- Queued tasks that will never run or that nobody waits for any more, and why: what the cleanup cancels. Among the old
-- ones is none that was ever started, or has a live parent (it is not stale), or with which a task would be cancelled
-- that is still fresh. What waits for a lost task can never run, nor can what waits for that.
create function queue.tasks_to_cancel(p_limit integer)
returns table (task_id uuid, created_at timestamptz, reason text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
begin
  select s.* into v_settings from queue.settings as s;

  return query
  select
    t.id, t.created_at,
    pg_catalog.format('Cancelled by the cleanup: enqueued %s, never started (%s)', t.created_at, t.standing)
  from public.tasks as t
  where t.standing in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'stale')
    and t.created_at < v_now - v_settings.stale_after
    and t.claimed_at is null
    and queue.is_stale(t.created_at, t.attempts, t.params)
    and not exists (
      -- What would be cancelled along: tasks that wait for it, its children, and so on.
      with recursive along (id) as (
        select t.id
        union
        select n.id
        from along as a
          join public.tasks as q on q.id = a.id and q.status in ('Queued', 'In Progress')
          cross join lateral (
            select d.task_id as id from queue.task_dependencies as d where d.depends_on = q.id
            union all
            select s.task_id from queue.subtasks as s where s.orchestrator_id = q.id
          ) as n
      )
      select
      from along as a
        join public.tasks as x on x.id = a.id
      where x.id <> t.id
        and x.user_id is not distinct from t.user_id
        and (
          x.status = 'In Progress'
          or x.status = 'Queued' and (
            x.attempts > 0
            or x.created_at >= v_now - v_settings.stale_after
            or not queue.is_stale(x.created_at, x.attempts, x.params)
            and queue.parent_task_id(x.params) not in (select o.id from along as o)
          )
        )
    )
  order by t.created_at
  limit p_limit;

  return query
  select
    t.id, t.created_at,
    'Cancelled by the cleanup: a task it waits for failed, was cancelled or does not exist'
  from public.tasks as t
  where t.standing = 'dependency_lost'
    and coalesce(t.updated_at, t.created_at) < v_now - v_settings.dependency_grace
  order by t.created_at
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_cancel(integer) is
  'Up to p_limit tasks of each kind that the cleanup would cancel, with the reason: never started, older than queue.settings.stale_after, no live parent, no fresh child and no fresh task that waits for them in any number of steps; or waiting longer than dependency_grace for a task that cannot come.';

revoke all on function queue.tasks_to_cancel(integer) from public, anon, authenticated, service_role;

-- Cancels what queue.tasks_to_cancel names, a batch at a time. A dry run lists it instead.
create function queue.cleanup(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- ends tasks for pg_cron and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_due json;
  v_count integer;
begin
  select coalesce(json_agg(json_build_object('task_id', c.task_id, 'created_at', c.created_at, 'reason', c.reason)), '[]')
  into v_due
  from queue.tasks_to_cancel(p_limit) as c;

  if p_dry_run then
    return json_build_object('cancelled', 0, 'due', v_due, 'dry_run', true);
  end if;

  perform queue.say('queue.cleanup');
  with held as (
    -- What was claimed or given its missing dependency since it was looked at no longer stands like this.
    select t.id
    from public.tasks as t
    where t.id in (select (x.value ->> 'task_id')::uuid from json_array_elements(v_due) as x)
      and t.status = 'Queued'
      and t.standing <> 'ready'
    order by t.id
    for no key update skip locked
  )
  update public.tasks as t
  set status = 'Cancelled', error_message = x.value ->> 'reason'
  from held as h
    join json_array_elements(v_due) as x on (x.value ->> 'task_id')::uuid = h.id
  where t.id = h.id;
  get diagnostics v_count = row_count;
  perform queue.say(null);

  return json_build_object('cancelled', v_count, 'dry_run', false);
end;
$$;

comment on function queue.cleanup(integer, boolean) is
  'Cancels tasks that were never started and are too old, or that can never run, up to p_limit of each kind; returns {cancelled}. A dry run changes nothing and lists them: {cancelled: 0, due: [{task_id, created_at, reason}]}. Safe to repeat and to run twice at once.';

revoke all on function queue.cleanup(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.cleanup(integer, boolean) to service_role;

-- Deletes what is kept for a time only: logs, tokens that have ended, and, when the settings say so, history and finished
-- tasks. A batch of each per run; rows that somebody holds are left for the next.
create function queue.purge(p_limit integer default 5000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- deletes for pg_cron and the operator
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
  v_logs bigint[];
  v_tokens uuid[];
  v_events bigint[];
  v_tasks uuid[];
begin
  select s.* into v_settings from queue.settings as s;

  v_logs := array(
    select l.id
    from public.system_logs as l
    where l."timestamp" < v_now - v_settings.log_retention
    order by l."timestamp"
    limit p_limit
    for update skip locked
  );

  v_tokens := array(
    select k.id
    from public.user_api_tokens as k
    where least(k.expires_at, k.revoked_at) < v_now - interval '30 days'
    limit p_limit
    for update skip locked
  );

  -- Ids grow with time: only the oldest need to be looked at.
  v_events := array(
    select o.id
    from (select e.id, e.at from public.task_events as e order by e.id limit p_limit) as o
    where o.at < v_now - v_settings.event_retention
  );

  v_tasks := array(
    select t.id
    from public.tasks as t
    where v_settings.finished_task_retention is not null
      and t.status in ('Complete', 'Failed', 'Cancelled')
      and coalesce(t.updated_at, t.created_at) < v_now - v_settings.finished_task_retention
      -- What a live task waits for, or a live parent counts, is still needed.
      and not exists (
        select
        from queue.task_dependencies as d
          join public.tasks as x on x.id = d.task_id
        where d.depends_on = t.id
          and x.status in ('Queued', 'In Progress')
      )
      and not exists (
        select
        from public.tasks as p
        where p.id = queue.parent_task_id(t.params)
          and p.status in ('Queued', 'In Progress')
      )
    limit p_limit
    for update skip locked
  );

  if not p_dry_run then
    delete from public.system_logs as l where l.id = any (v_logs);
    delete from public.user_api_tokens as k where k.id = any (v_tokens);
    delete from public.task_events as e where e.id = any (v_events);
    perform queue.say('queue.purge');
    delete from public.tasks as t where t.id = any (v_tasks);
    perform queue.say(null);
  end if;

  return json_build_object(
    'logs', cardinality(v_logs), 'tokens', cardinality(v_tokens), 'events', cardinality(v_events),
    'tasks', cardinality(v_tasks), 'dry_run', p_dry_run
  );
end;
$$;

comment on function queue.purge(integer, boolean) is
  'Deletes up to p_limit each of: logs older than log_retention, tokens that ended 30 days ago, history older than event_retention, finished tasks older than finished_task_retention (both off while null). Returns {logs, tokens, events, tasks, dry_run}; a dry run only counts.';

revoke all on function queue.purge(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.purge(integer, boolean) to service_role;

-- What pg_cron calls. A job that fails is recorded instead of raised: its row in queue.job_runs is what health, warnings
-- and operators look at, and a raised error would take that row with it.
create function queue.run_job(p_job text)
returns jsonb
language plpgsql
volatile
security definer -- writes job_runs for pg_cron and the operator
set search_path = ''
as $$
declare
  v_started timestamptz := clock_timestamp();
  v_result jsonb;
begin
  begin
    v_result := case p_job
      when 'sweep' then queue.sweep()::jsonb
      when 'rescue' then queue.rescue()::jsonb
      when 'mend_orchestrations' then queue.mend_orchestrations()::jsonb
      when 'count_on' then queue.count_on()::jsonb
      when 'cleanup' then queue.cleanup()::jsonb
      when 'purge' then queue.purge()::jsonb
      when 'reconcile' then jsonb_build_object('mended', queue.reconcile())
    end;
    if v_result is null then
      perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('There is no job %s', p_job));
    end if;
  exception when others then
    raise warning 'queue job % failed: % (%)', p_job, sqlerrm, sqlstate;
    update queue.job_runs as r
    set failed_at = queue.now(), error = pg_catalog.format('%s (%s)', sqlerrm, sqlstate)
    where r.job = p_job;
    return jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
  end;

  update queue.job_runs as r
  set ran_at = queue.now(), took = clock_timestamp() - v_started, result = v_result
  where r.job = p_job;
  raise log 'queue job %: %', p_job, v_result;
  return v_result;
end;
$$;

comment on function queue.run_job(text) is
  'Runs one job (sweep, rescue, mend_orchestrations, count_on, cleanup, purge, reconcile) and records in queue.job_runs when, how long and what it did, or why it failed. Returns what it did, or {error, sqlstate}.';

revoke all on function queue.run_job(text) from public, anon, authenticated, service_role;
grant execute on function queue.run_job(text) to service_role;

-- Jobs that nobody should rely on now.
create function queue.late_jobs()
returns table (job text, ran_at timestamptz, is_failing boolean, message text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  select
    r.job, r.ran_at, coalesce(r.failed_at > coalesce(r.ran_at, '-infinity'), false),
    case
      when r.failed_at > coalesce(r.ran_at, '-infinity') then pg_catalog.format('Job %s fails since %s: %s', r.job, r.failed_at, r.error)
      else pg_catalog.format('Job %s last ran at %s: is pg_cron running?', r.job, coalesce(r.ran_at::text, '(never)'))
    end
  from queue.job_runs as r
  where r.failed_at > coalesce(r.ran_at, '-infinity')
    or coalesce(r.ran_at, r.scheduled_at) < queue.now() - 2 * r.period;
end;
$$;

comment on function queue.late_jobs() is
  'Jobs that failed when they last ran, or have not run for two periods, with words for an operator.';

revoke all on function queue.late_jobs() from public, anon, authenticated, service_role;
