-- What: claim, complete, fail, report and count.
-- Why: each is one function in one transaction.
-- Back out: drop these functions; no data depends on them.

set lock_timeout = '5s';

-- Who is calling. The functions check service keys and JWTs; a personal token is looked up here, in the same
-- transaction as the work, so that revoking one is effective at the next call.
create function queue.resolve_caller(p_caller jsonb, p_allowed text[])
returns queue.caller
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_caller queue.caller;
begin
  v_caller.kind := p_caller ->> 'kind';

  if v_caller.kind = 'token' then
    select k.user_id, k.id
    into v_caller.user_id, v_caller.token_id
    from public.user_api_tokens as k
    where k.token_hash = p_caller ->> 'hash'
      and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > queue.now());
    if v_caller.token_id is null then
      perform queue.refuse(403, 'UNKNOWN_TOKEN', 'This token is unknown, expired or revoked', 'Create a new token');
    end if;
  elsif v_caller.kind = 'user' then
    v_caller.user_id := (p_caller ->> 'user_id')::uuid;
  end if;

  if v_caller.kind is null or not v_caller.kind = any (p_allowed)
    or (v_caller.kind <> 'service' and v_caller.user_id is null) then
    perform queue.refuse(
      403, 'FORBIDDEN',
      pg_catalog.format('A caller of kind %s may not do this', coalesce(v_caller.kind, 'unknown')),
      pg_catalog.format('Call with: %s', array_to_string(p_allowed, ', '))
    );
  end if;

  return v_caller;
end;
$$;

comment on function queue.resolve_caller(jsonb, text[]) is
  'The caller that {"kind":"service"}, {"kind":"token","hash":…} or {"kind":"user","user_id":…} names; refuses unknown tokens (403 UNKNOWN_TOKEN) and kinds that are not allowed (403 FORBIDDEN).';

revoke all on function queue.resolve_caller(jsonb, text[]) from public, anon, authenticated, service_role;

-- How the history names a caller.
create function queue.caller_name(p_caller queue.caller)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_caller.kind
    when 'token' then 'token:' || p_caller.token_id
    when 'user' then 'user:' || p_caller.user_id
    else p_caller.kind
  end;
end;
$$;

comment on function queue.caller_name(queue.caller) is 'service, token:<token id> or user:<user id>, as task_events.actor names it.';

revoke all on function queue.caller_name(queue.caller) from public, anon, authenticated, service_role;

-- Ready tasks of one user that have grown stale, a batch at a time. Call it under the user's lock.
create function queue.set_stale_tasks_aside(p_user_id uuid, p_pool text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_stale uuid[];
begin
  select array_agg(s.id)
  into v_stale
  from (
    select t.id
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.standing = 'ready'
      and queue.is_stale(t.created_at, t.attempts, t.params)
    limit 500
    for no key update skip locked
  ) as s;

  if v_stale is not null then
    perform queue.ask_standing_again(v_stale);
  end if;
end;
$$;

comment on function queue.set_stale_tasks_aside(uuid, text) is
  'Up to 500 of the user''s ready tasks in the pool that have grown stale no longer stand ready.';

revoke all on function queue.set_stale_tasks_aside(uuid, text) from public, anon, authenticated, service_role;

-- What a claim answers. params leave as jsonb text: a 64-bit seed stays what it was. Workers die on params that are no
-- object; a row from before that was asked for is wrapped in one.
create function queue.claim_reply(p_task public.tasks)
returns json
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'task_type', p_task.task_type,
    'params', case when jsonb_typeof(p_task.params) = 'object' then p_task.params else jsonb_build_object('params', p_task.params) end,
    'project_id', p_task.project_id,
    'lease_token', p_task.lease_token,
    'attempt', p_task.attempts
  );
end;
$$;

comment on function queue.claim_reply(public.tasks) is
  'The reply of a claim: task_id, task_type, params, project_id, lease_token, attempt.';

revoke all on function queue.claim_reply(public.tasks) from public, anon, authenticated, service_role;

-- A second start of a task that its holder already has: a new lease, one more attempt.
create function queue.restart_task(p_task_id uuid, p_claim_id text, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  update public.tasks as t
  set claim_id = p_claim_id,
    lease_token = gen_random_uuid(),
    attempts = t.attempts + 1,
    claimed_at = p_now,
    generation_started_at = p_now,
    delivered_at = null
  where t.id = p_task_id
  returning t.* into v_task;
  return v_task;
end;
$$;

comment on function queue.restart_task(uuid, text, timestamptz) is
  'Gives a running task to the same holder anew: another lease, one more attempt.';

revoke all on function queue.restart_task(uuid, text, timestamptz) from public, anon, authenticated, service_role;

-- The tasks among which the next one of a user is chosen, the first to run first: the head of the line, and with an
-- affinity also the first task of that model and the first that runs on any.
create function queue.heads_of_line(p_user_id uuid, p_pool text, p_run_type text, p_affinity queue.affinity)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  -- Each look is one step into an index that is already in claim order.
  return query
  select t.*
  from public.tasks as t
  where t.user_id = p_user_id
    and t.pool = p_pool
    and t.run_type = p_run_type
    and t.standing = 'ready'
  order by t.priority desc, t.created_at, t.id
  limit 1;

  if p_affinity.model is not null then
    return query
    select t.*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.standing = 'ready'
      and t.model = p_affinity.model
    order by t.priority desc, t.created_at, t.id
    limit 1;

    return query
    select t.*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.pool = p_pool
      and t.run_type = p_run_type
      and t.standing = 'ready'
      and t.model is null
    order by t.priority desc, t.created_at, t.id
    limit 1;
  end if;
end;
$$;

comment on function queue.heads_of_line(uuid, text, text, queue.affinity) is
  'The head of a user''s line of this pool and run type, and with an affinity the first task of that model and the first of no model.';

revoke all on function queue.heads_of_line(uuid, text, text, queue.affinity) from public, anon, authenticated, service_role;

-- Whether a user has something for a worker that runs one model only.
create function queue.suits(p_user_id uuid, p_pool text, p_affinity queue.affinity)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select
    from queue.heads_of_line(p_user_id, p_pool, 'cloud', p_affinity) as h
    where h.model is null
      or h.model = p_affinity.model
      or h.created_at < p_affinity.waited_since
  );
end;
$$;

comment on function queue.suits(uuid, text, queue.affinity) is
  'Whether a user''s cloud line holds a task of the affinity''s model, of no model, or at its head one that has waited too long.';

revoke all on function queue.suits(uuid, text, queue.affinity) from public, anon, authenticated, service_role;

-- What a worker would rather run: the model it has loaded. The guard holds for every caller that has a model, so that
-- no task waits for ever because other tasks suit the workers better.
create function queue.affinity_of(p_worker_id text, p_same_model_only boolean, p_max_task_wait_minutes numeric)
returns queue.affinity
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_worker public.workers;
  v_affinity queue.affinity;
begin
  select w.* into v_worker from public.workers as w where w.id = p_worker_id;

  if v_worker.status in ('terminating', 'terminated', 'error') then
    perform queue.refuse(
      409, 'WORKER_NOT_ELIGIBLE',
      pg_catalog.format(
        'Worker %s gets no tasks: its status is %s%s',
        p_worker_id, v_worker.status, coalesce(' (' || (v_worker.metadata ->> 'error_reason') || ')', '')
      ),
      'Stop claiming; a replacement claims under an id of its own'
    );
  end if;

  if v_worker.current_model is not null then
    v_affinity.model := v_worker.current_model;
    v_affinity.is_required := coalesce(p_same_model_only, false);
    v_affinity.waited_since := queue.now() - coalesce(
      make_interval(secs => (p_max_task_wait_minutes * 60)::double precision),
      (select s.max_affinity_wait from queue.settings as s)
    );
  end if;
  return v_affinity;
end;
$$;

comment on function queue.affinity_of(text, boolean, numeric) is
  'The affinity of a worker that claims: its current model, null when none is known; a wait in minutes, queue.settings.max_affinity_wait when null. Raises 409 WORKER_NOT_ELIGIBLE when the worker is terminating, terminated or in error.';

revoke all on function queue.affinity_of(text, boolean, numeric) from public, anon, authenticated, service_role;

-- Hands a queued task out: a new lease, one more attempt. The task and its owner's slots are locked by the caller.
-- This is the hot path, so it keeps the counters itself instead of leaving them to tasks_after_update (which does
-- nothing while queue.counts_itself is on); what it must come to is the same, and queue.drift says whether it did.
create function queue.start_task(p_task_id uuid, p_worker_id text, p_token_id uuid, p_claim_id text, p_now timestamptz)
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

  update queue.user_slots as s
  set running = s.running + v_task.takes_slot::integer
  where s.user_id = v_task.user_id
  returning s.* into v_slots;

  -- Both of the owner's lines: the task leaves one, and what runs has changed for either.
  v_slot := v_task.takes_slot::integer;
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

-- Whose turn it is among the users who have something for a worker with a model: anything, or when the model is
-- required, a task of that model, of none, or one that has waited too long.
create function queue.lock_user_with_affinity(p_pool text, p_passed_over uuid[], p_affinity queue.affinity)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return (
    select s.user_id
    from queue.user_lines as l
      join queue.user_slots as s on s.user_id = l.user_id
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
      and (not p_affinity.is_required or queue.suits(l.user_id, p_pool, p_affinity))
    order by l.running, l.turn_at
    limit 1
    for no key update of s skip locked
  );
end;
$$;

comment on function queue.lock_user_with_affinity(text, uuid[], queue.affinity) is
  'Locks the user whose turn it is among those with something for this affinity and returns the id; null when there is none that is free.';

revoke all on function queue.lock_user_with_affinity(text, uuid[], queue.affinity) from public, anon, authenticated, service_role;

-- The second look of a claim: every user with work is just being served by somebody else, so wait for the one whose
-- turn it is.
create function queue.wait_for_open_user(p_pool text, p_passed_over uuid[], p_affinity queue.affinity)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return (
    select s.user_id
    from queue.user_lines as l
      join queue.user_slots as s on s.user_id = l.user_id
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
      and (p_affinity.model is null or not p_affinity.is_required or queue.suits(l.user_id, p_pool, p_affinity))
    order by l.running, l.turn_at
    limit 1
    for no key update of s
  );
end;
$$;

comment on function queue.wait_for_open_user(text, uuid[], queue.affinity) is
  'Waits for the lock on the user whose turn it is in the pool and returns the id; null when there is none.';

revoke all on function queue.wait_for_open_user(text, uuid[], queue.affinity) from public, anon, authenticated, service_role;

-- The task of a user that should run next, locked. Call it under the user's lock: what is ready and whether the user has
-- a free slot cannot change then, and is looked at again here.
create function queue.lock_head_of_line(
  p_user_id uuid,
  p_pool text,
  p_caller queue.caller,
  p_affinity queue.affinity,
  out task_id uuid,
  out has_written boolean
)
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_slots queue.user_slots;
  v_head record;
begin
  has_written := false;
  select s.* into v_slots from queue.user_slots as s where s.user_id = p_user_id;

  if (case when p_caller.user_id is null then v_slots.cloud_reason else v_slots.local_reason end) is not null then
    return;
  end if;

  loop
    select h.id, h.created_at, h.attempts, h.params
    into v_head
    from (
      select c.* from queue.heads_of_line(p_user_id, p_pool, 'cloud', p_affinity) as c
      union all
      select l.* from queue.heads_of_line(p_user_id, p_pool, 'local', p_affinity) as l where p_caller.user_id is not null
    ) as h
    where p_affinity.model is null
      or not p_affinity.is_required
      or h.model = p_affinity.model
      or h.model is null
      or h.created_at < p_affinity.waited_since
    order by
      -- What suits the caller, and a head that has waited too long, in the order of the line; then the rest. Every task
      -- becomes head, so none waits for ever.
      (h.model <> p_affinity.model and h.created_at >= p_affinity.waited_since) is true,
      h.priority desc, h.created_at, h.id
    limit 1;

    if v_head.id is null then
      return;
    elsif queue.is_stale(v_head.created_at, v_head.attempts, v_head.params) then
      -- The line has grown stale while it waited: set a batch of it aside and look once more.
      if not has_written then
        perform queue.set_stale_tasks_aside(p_user_id, p_pool);
        has_written := true;
        continue;
      end if;
      v_head.id := null;
    end if;

    select t.id
    into task_id
    from public.tasks as t
    where t.id = v_head.id
      and t.standing = 'ready'
    for no key update skip locked;

    -- Somebody is just changing that very task, or more is stale than one batch: take the first that is neither.
    if task_id is null then
      select t.id
      into task_id
      from public.tasks as t
      where t.user_id = p_user_id
        and t.pool = p_pool
        and (t.run_type = 'cloud' or p_caller.user_id is not null)
        and t.standing = 'ready'
        and (
          p_affinity.model is null or not p_affinity.is_required or t.model is null
          or t.model = p_affinity.model or t.created_at < p_affinity.waited_since
        )
        and not queue.is_stale(t.created_at, t.attempts, t.params)
      order by t.priority desc, t.created_at, t.id
      limit 1
      for no key update skip locked;
    end if;
    return;
  end loop;
end;
$$;

comment on function queue.lock_head_of_line(uuid, text, queue.caller, queue.affinity) is
  'Locks the next task of this user''s line in the pool and returns its id (null when the user may run none now), and whether stale tasks were set aside on the way. With a token, local tasks count too and the user''s onComputer switch decides.';

revoke all on function queue.lock_head_of_line(uuid, text, queue.caller, queue.affinity) from public, anon, authenticated, service_role;

-- Tasks whose available_at has come, of users who could run one now.
create function queue.release_due_tasks(p_pool text, p_caller queue.caller)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_due uuid[];
begin
  select array_agg(d.id)
  into v_due
  from (
    select t.id
    from public.tasks as t
      join queue.user_slots as s on s.user_id = t.user_id
    where t.standing = 'not_yet'
      and t.available_at <= queue.now()
      and t.pool = p_pool
      and (p_caller.user_id is not null or t.run_type = 'cloud')
      and (p_caller.user_id is null or t.user_id = p_caller.user_id)
      and case when p_caller.user_id is null then s.cloud_reason else s.local_reason end is null
    order by t.available_at
    limit 100
    for no key update of t skip locked
  ) as d;

  if v_due is not null then
    perform queue.ask_standing_again(v_due);
  end if;
  return coalesce(cardinality(v_due), 0);
end;
$$;

comment on function queue.release_due_tasks(text, queue.caller) is
  'Makes up to 100 tasks ready whose available_at has come and whose owner could run one now (for a token: the owner''s own); returns how many.';

revoke all on function queue.release_due_tasks(text, queue.caller) from public, anon, authenticated, service_role;

-- A worker that claims although it holds all it may. Either it never heard of the task (the reply was lost: the same
-- attempt under a new lease) or it died and came back under its name (a new start, and the end of the task when that
-- was its last).
create function queue.give_back_held_task(
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
  elsif v_held.attempts < queue.max_attempts(v_held.task_type) then
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

-- A claim request that was already answered gets the same answer: the reply was lost on the way.
create function queue.repeat_claim(p_caller queue.caller, p_worker_id text, p_claim_id text)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  -- The same request twice at once: the second waits for the first.
  perform pg_advisory_xact_lock(hashtextextended('queue.claim:' || coalesce(p_caller.token_id::text, '') || ':' || p_worker_id || ':' || p_claim_id, 0));

  select t.*
  into v_task
  from public.tasks as t
  where t.worker_id = p_worker_id
    and t.claim_id = p_claim_id
    and t.token_id is not distinct from p_caller.token_id;

  if v_task.status <> 'In Progress' then
    perform queue.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with a task that has ended since', p_claim_id),
      'Use a new claim_id for a new claim'
    );
  end if;
  return v_task;
end;
$$;

comment on function queue.repeat_claim(queue.caller, text, text) is
  'The running task that this claim request was answered with, or null when it is new; 409 CLAIM_ID_USED when that task has ended.';

revoke all on function queue.repeat_claim(queue.caller, text, text) from public, anon, authenticated, service_role;

-- Looks for work until it has a task or knows that there is none. The first look passes over users whom somebody else
-- is just serving, the second waits for one. Each look is a subtransaction: one that does not end in a claim gives its
-- locks back, so that nobody ever waits while holding somebody's slots.
create function queue.take_next_task(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity queue.affinity, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_old_before timestamptz := p_now - (select s.stale_after from queue.settings as s);
  v_passed_over uuid[] := array[]::uuid[];
  v_user_id uuid;
  v_task_id uuid;
  v_wait boolean := false;
  v_has_written boolean;
  -- A transaction that has written may hold locks that others wait for: then this claim waits for nobody.
  v_may_wait boolean := pg_current_xact_id_if_assigned() is null;
  v_task public.tasks;
begin
  -- Nothing tells the queue that a task's time has come, so every claim asks; their owners' locks are held from here on.
  if exists (select from public.tasks as t where t.standing = 'not_yet' and t.available_at <= p_now)
    and queue.release_due_tasks(p_pool, p_caller) > 0 then
    v_may_wait := false;
  end if;

  loop
    begin
      v_task_id := null;
      v_has_written := false;
      if v_wait then
        v_user_id := queue.wait_for_open_user(p_pool, v_passed_over, p_affinity);
      elsif p_affinity.model is not null then
        v_user_id := queue.lock_user_with_affinity(p_pool, v_passed_over, p_affinity);
      else
        with turn as materialized (
          -- Fewest running first, then who has waited longest for a turn.
          select s.user_id, s.running, s.task_limit
          from queue.user_lines as l
            join queue.user_slots as s on s.user_id = l.user_id
          where l.pool = p_pool
            and l.is_open
            and l.user_id <> all (v_passed_over)
          order by l.running, l.turn_at
          limit 1
          for no key update of s skip locked
        )
        select u.user_id, h.id
        into v_user_id, v_task_id
        from turn as u
          left join lateral (
            select t.id, t.attempts, t.created_at
            from public.tasks as t
            where t.user_id = u.user_id
              and t.pool = p_pool
              and t.run_type = 'cloud'
              and t.standing = 'ready'
            order by t.priority desc, t.created_at, t.id
            limit 1
            for no key update skip locked
          ) as h on u.running < u.task_limit and (h.attempts > 0 or h.created_at >= v_old_before);
      end if;

      -- The plain case is settled by one statement; everything else is looked at again under the user's lock.
      if v_user_id is not null and v_task_id is null then
        select h.task_id, h.has_written
        into v_task_id, v_has_written
        from queue.lock_head_of_line(v_user_id, p_pool, p_caller, p_affinity) as h;
      end if;

      if v_task_id is not null then
        return queue.start_task(v_task_id, p_worker_id, null, p_claim_id, p_now);
      elsif v_user_id is not null and v_has_written then
        v_passed_over := v_passed_over || v_user_id;
        v_may_wait := false;
      elsif v_user_id is not null then
        raise sqlstate 'QU001' using message = 'This user has nothing for the caller now';
      end if;
    exception when sqlstate 'QU001' then
      v_passed_over := v_passed_over || v_user_id;
    end;

    if v_user_id is null then
      if v_wait or not v_may_wait then
        return v_task;
      end if;
      v_wait := true;
    end if;
  end loop;

  return v_task;
end;
$$;

comment on function queue.take_next_task(queue.caller, text, text, text, queue.affinity, timestamptz) is
  'Claims the next cloud task of the pool for this worker and returns it; null when there is none.';

revoke all on function queue.take_next_task(queue.caller, text, text, text, queue.affinity, timestamptz) from public, anon, authenticated, service_role;

-- What a claim would find, without taking it or locking anything.
create function queue.preview_claim(p_caller queue.caller, p_pool text)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_load queue.user_load_row[] := array(select l from queue.user_load(p_caller, p_pool) as l);
  v_task public.tasks;
begin
  select t.* into v_task from queue.next_tasks(p_caller, p_pool, 1, v_load) as t;

  return json_build_object(
    'dry_run', true,
    'available_tasks', (select coalesce(sum(l.claimable), 0) from unnest(v_load) as l),
    'task', case when v_task.id is not null then queue.claim_reply(v_task)::jsonb - 'lease_token' end
  );
end;
$$;

comment on function queue.preview_claim(queue.caller, text) is
  'What a claim by this caller in this pool would find: {"dry_run":true,"available_tasks":n,"task":{…}|null}. Changes nothing.';

revoke all on function queue.preview_claim(queue.caller, text) from public, anon, authenticated, service_role;

-- The same for a user's own machine: one user, so no turns.
create function queue.take_own_task(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity queue.affinity, p_now timestamptz)
returns public.tasks
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task_id uuid;
  v_task public.tasks;
begin
  -- Looked at without a lock first: an idle poll writes nothing, not even a lock.
  if queue.claimable_count(p_caller, p_pool) = 0 then
    return v_task;
  end if;

  perform queue.release_due_tasks(p_pool, p_caller);

  perform
  from queue.user_slots as s
  where s.user_id = p_caller.user_id
  for no key update;

  select h.task_id
  into v_task_id
  from queue.lock_head_of_line(p_caller.user_id, p_pool, p_caller, p_affinity) as h;

  if v_task_id is not null then
    v_task := queue.start_task(v_task_id, p_worker_id, p_caller.token_id, p_claim_id, p_now);
  end if;
  return v_task;
end;
$$;

comment on function queue.take_own_task(queue.caller, text, text, text, queue.affinity, timestamptz) is
  'Claims the next task, cloud or local, of the token''s owner and returns it; null when there is none.';

revoke all on function queue.take_own_task(queue.caller, text, text, text, queue.affinity, timestamptz) from public, anon, authenticated, service_role;

-- The claim (docs/architecture.md): one task to one caller, the owner's limit exact, users in turn.
create function queue.claim_next_task(
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
  end if;

  return case when v_task.id is not null then queue.claim_reply(v_task) end;
end;
$$;

comment on function queue.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) is
  'See public.claim_next_task.';

revoke all on function queue.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.claim_next_task(jsonb, text, text, text, boolean, numeric, boolean) to service_role;

-- The task that a report is about, locked. Somebody else's task answers exactly like one that does not exist.
create function queue.lock_task_for(p_caller queue.caller, p_task_id uuid)
returns public.tasks
language plpgsql
volatile
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
    and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
  for no key update;

  if v_task.id is null then
    perform queue.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;
  return v_task;
end;
$$;

comment on function queue.lock_task_for(queue.caller, uuid) is
  'Locks and returns the task; 404 TASK_NOT_FOUND when it does not exist or is not the caller''s.';

revoke all on function queue.lock_task_for(queue.caller, uuid) from public, anon, authenticated, service_role;

-- A worker that names its lease is told when the task is no longer its own.
create function queue.refuse_stale_lease(p_task public.tasks, p_lease_token uuid)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if p_lease_token is distinct from p_task.lease_token then
    perform queue.refuse(
      409, 'LEASE_LOST',
      pg_catalog.format('Stop: task %s is no longer yours, it was given to another worker or taken back', p_task.id),
      'Drop this task and claim the next one; nothing was changed'
    );
  end if;
end;
$$;

comment on function queue.refuse_stale_lease(public.tasks, uuid) is
  'Raises 409 LEASE_LOST when the token is not the one of the task''s last lease.';

revoke all on function queue.refuse_stale_lease(public.tasks, uuid) from public, anon, authenticated, service_role;

-- A report that changed nothing still leaves a trace.
create function queue.record_report(p_task public.tasks, p_caller queue.caller, p_reason text, p_details jsonb default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
  values (
    p_task.id, p_task.user_id, queue.now(), p_task.status, p_task.status, p_task.worker_id, p_task.attempts,
    queue.caller_name(p_caller), p_reason, p_details
  );
end;
$$;

comment on function queue.record_report(public.tasks, queue.caller, text, jsonb) is
  'Adds an event to the task''s history without changing the task.';

revoke all on function queue.record_report(public.tasks, queue.caller, text, jsonb) from public, anon, authenticated, service_role;

-- What complete and update answer. A repeat gets the same words: whether it was the first is in the history.
create function queue.task_reply(p_task public.tasks)
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
    'output_location', p_task.output_location,
    'public_url', case when p_task.status = 'Complete' then p_task.output_location end,
    'thumbnail_url', p_task.thumbnail_url,
    'error_message', p_task.error_message,
    'attempt', p_task.attempts,
    'generation_created', p_task.generation_created,
    'generation_id', (select g.id from public.generations as g where g.task_id = p_task.id)
  );
end;
$$;

comment on function queue.task_reply(public.tasks) is
  'The reply about a task: task_id, status, output_location, public_url (once Complete), thumbnail_url, error_message, attempt, generation_created, generation_id.';

revoke all on function queue.task_reply(public.tasks) from public, anon, authenticated, service_role;

-- A report other than a result also hears whether it changed anything: a failure may only be recorded.
create function queue.report_reply(p_task public.tasks, p_changed boolean)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.task_reply(p_task)::jsonb || jsonb_build_object('changed', p_changed);
end;
$$;

comment on function queue.report_reply(public.tasks, boolean) is
  'queue.task_reply and changed: whether this report changed the task or was only recorded.';

revoke all on function queue.report_reply(public.tasks, boolean) from public, anon, authenticated, service_role;

-- Completes a task exactly once (docs/architecture.md, "Endings"). Result, record, history, counters and dependants
-- are one transaction; a repeat changes nothing and answers what is stored.
create function queue.complete_task(
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
  v_task public.tasks := queue.lock_task_for(v_caller, p_task_id);
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

-- A failure that names no lease could come from whoever held the task before. While such a worker still beats, the
-- present holder gets the benefit of the doubt.
create function queue.has_live_former_holder(p_task public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select
    from public.task_events as e
      join public.workers as w on w.id = e.worker_id
    where e.task_id = p_task.id
      and e.to_status = 'In Progress'
      and e.from_status is distinct from 'In Progress'
      and e.worker_id is distinct from p_task.worker_id
      and w.last_heartbeat > queue.now() - (select s.gpu_silence_limit from queue.settings as s)
  );
end;
$$;

comment on function queue.has_live_former_holder(public.tasks) is
  'Whether another worker that was handed this task before still sends beats.';

revoke all on function queue.has_live_former_holder(public.tasks) from public, anon, authenticated, service_role;

-- Ends a task as Failed. The reason is kept whichever field it came in; the whole text is in the history.
create function queue.fail_task(p_caller queue.caller, p_task public.tasks, p_reason text, p_details text, p_has_lease boolean)
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
  v_task public.tasks;
begin
  if p_task.status in ('Queued', 'In Progress')
    and (p_has_lease or not queue.has_live_former_holder(p_task)) then
    perform queue.say(queue.caller_name(p_caller), queue.cut_text(v_reason), v_full);
    update public.tasks as t
    set status = 'Failed',
      error_message = v_reason,
      error_details = coalesce(queue.cut_text(p_details), t.error_details),
      output_location = v_reason
    where t.id = p_task.id
    returning t.* into v_task;
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

comment on function queue.fail_task(queue.caller, public.tasks, text, text, boolean) is
  'Ends a locked task as Failed with this reason, or only records the report when the task has ended or a former holder may be speaking.';

revoke all on function queue.fail_task(queue.caller, public.tasks, text, text, boolean) from public, anon, authenticated, service_role;

-- What a worker reports other than a result (docs/architecture.md, "Endings").
create function queue.update_task_status(
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

  v_task := queue.lock_task_for(v_caller, p_task_id);
  if p_lease_token is not null then
    perform queue.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if p_status = 'Failed' then
    return queue.fail_task(v_caller, v_task, coalesce(nullif(p_error_message, ''), p_output_location), p_error_details, p_lease_token is not null);
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
  update public.tasks as t
  set status = p_status,
    output_location = coalesce(queue.cut_text(nullif(p_output_location, '')), t.output_location),
    thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
    result_data = coalesce(p_result_data, t.result_data),
    error_message = case when p_status = 'In Progress' then t.error_message else coalesce(queue.cut_text(nullif(p_error_message, '')), t.error_message) end,
    generation_started_at = case when p_reset_generation_started_at then queue.now() else t.generation_started_at end,
    delivered_at = coalesce(t.delivered_at, queue.now())
  where t.id = v_task.id
  returning t.* into v_task;
  perform queue.say(null);

  return queue.report_reply(v_task, true);
end;
$$;

comment on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) is
  'See public.update_task_status.';

revoke all on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) to service_role;

-- What would have to change for a task to run, in words.
create function queue.remedy(p_reason text)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_reason
    when 'ready' then 'Nothing: it runs when its owner''s turn comes and a worker claims'
    when 'no_owner' then 'Give it a project: it has no owner'
    when 'no_run_type' then 'An operator sets run_type to cloud or local, or cancels it: it is from before that column existed'
    when 'type_inactive' then 'Switch its type on in task_types'
    when 'not_yet' then 'Wait until available_at'
    when 'dependency_pending' then 'The tasks it waits for have to complete'
    when 'dependency_lost' then 'It can never run: a task it waits for failed, was cancelled or is missing'
    when 'no_credits' then 'Its owner needs credits'
    when 'cloud_disabled' then 'Its owner switches settings.ui.generationMethods.inCloud on'
    when 'local_disabled' then 'Its owner switches settings.ui.generationMethods.onComputer on'
    when 'user_at_limit' then 'One of its owner''s running tasks has to end, or the limit be raised'
    when 'stale' then 'Enqueue it again: it was never started and is older than queue.settings.stale_after'
    when 'In Progress' then 'Nothing: it is running'
    else 'Nothing: it has ended'
  end;
end;
$$;

comment on function queue.remedy(text) is
  'What would have to change for a task with this reason (or ready, or this status) to run.';

revoke all on function queue.remedy(text) from public, anon, authenticated, service_role;

-- When a number should not be acted on without a second look. Codes are stable (docs/errors.md).
create function queue.count_warnings(p_pool text, p_load queue.user_load_row[], p_oldest timestamptz)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_claimable integer;
  v_owners integer;
  v_sample record;
  v_arrivals integer;
  v_oldest timestamptz;
begin
  select coalesce(sum(l.claimable), 0), count(*) filter (where l.claimable > 0)
  into v_claimable, v_owners
  from unnest(p_load) as l;

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
      limit v_claimable
    ) as a;
  end if;

  -- The lists show the next tasks; old work may stand behind them. Looked for among the oldest that were never started.
  select least(p_oldest, min(o.created_at))
  into v_oldest
  from (
    select t.user_id, t.pool, t.run_type, t.created_at, t.attempts, t.params
    from public.tasks as t
    where t.standing = 'ready'
      and t.attempts = 0
      and t.created_at < v_now - interval '1 day'
    order by t.created_at
    limit 1000
  ) as o
    join queue.user_lines as l on l.user_id = o.user_id and l.pool = o.pool
  where l.is_open
    and o.run_type = 'cloud'
    and (p_pool is null or o.pool = p_pool)
    and not queue.is_stale(o.created_at, o.attempts, o.params);

  return (
    select coalesce(json_agg(json_build_object('code', w.code, 'message', w.message)), '[]')
    from (
      select 'JUMP_FROM_ZERO' as code, pg_catalog.format(
        '%s tasks are claimable, a minute ago there were none: check what they are before renting for all of them', v_claimable
      ) as message
      where v_claimable >= 10
        and v_sample.claimable = 0
        and v_arrivals < v_claimable
      union all
      select 'WORK_OLDER_THAN_A_DAY', pg_catalog.format('The oldest claimable task was enqueued at %s', v_oldest)
      where v_oldest < v_now - interval '1 day'
      union all
      select 'ONE_OWNER', pg_catalog.format('All %s claimable tasks belong to one user', v_claimable)
      where v_claimable >= 10
        and v_owners = 1
      union all
      select 'NO_WORKER_BEATING', 'There is gpu work and no worker has sent a heartbeat within the silence limit'
      where case
          when p_pool = 'gpu' then v_claimable
          when p_pool is null then queue.claimable_count(('service', null, null)::queue.caller, 'gpu')
        end > 0
        and not exists (
          select
          from public.workers as k
          where k.last_heartbeat > v_now - (select s.gpu_silence_limit from queue.settings as s)
        )
      union all
      select 'SWEEP_LATE', pg_catalog.format('The sweep last ran at %s: is pg_cron running?', coalesce(v_sample.sampled_at::text, '(never)'))
      where v_sample.sampled_at < v_now - interval '3 minutes'
        or (v_sample.sampled_at is null and v_oldest < v_now - interval '3 minutes')
    ) as w
  );
end;
$$;

comment on function queue.count_warnings(text, queue.user_load_row[], timestamptz) is
  'Warnings about a count, as [{code, message}]: JUMP_FROM_ZERO, WORK_OLDER_THAN_A_DAY, ONE_OWNER, NO_WORKER_BEATING, SWEEP_LATE.';

revoke all on function queue.count_warnings(text, queue.user_load_row[], timestamptz) from public, anon, authenticated, service_role;

-- Queued tasks whose stored standing is out of date because time has passed and nothing else: due now, or grown stale.
-- Claims and the sweep put them right; who only reads takes them into account with this.
create function queue.overtaken_by_time()
returns table (user_id uuid, pool text, is_cloud boolean, takes_slot boolean, stood text, stands text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_now timestamptz := queue.now();
  v_stale_before timestamptz := v_now - (select s.stale_after from queue.settings as s);
begin
  return query
  select t.user_id, t.pool, t.run_type = 'cloud', t.takes_slot, t.standing, queue.task_standing(t)
  from public.tasks as t
  where t.standing = 'not_yet'
    and t.available_at <= v_now;

  return query
  select t.user_id, t.pool, t.run_type = 'cloud', t.takes_slot, t.standing, 'stale'
  from public.tasks as t
  where t.standing = 'ready'
    and t.attempts = 0
    and t.created_at < v_stale_before
    and queue.is_stale(t.created_at, t.attempts, t.params);
end;
$$;

comment on function queue.overtaken_by_time() is
  'Queued tasks whose standing only time has changed: where they stood when last written, where they stand now.';

revoke all on function queue.overtaken_by_time() from public, anon, authenticated, service_role;

-- What each user has in the queue now, as a claim would see it: the derived counters, put right for what only time has
-- changed since (tasks that became due, tasks that grew stale).
create function queue.user_load(p_caller queue.caller, p_pool text)
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
  with overtaken as (
    select o.user_id, o.pool, o.is_cloud, o.takes_slot, (o.stands = 'ready')::integer - (o.stood = 'ready')::integer as delta
    from queue.overtaken_by_time() as o
  ),
  load as (
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
      union all
      select
        o.user_id, o.pool,
        case when o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when o.is_cloud and not o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and not o.takes_slot then o.delta else 0 end,
        0, 0, 0, 0, v_now
      from overtaken as o
    ) as l
    where (p_pool is null or l.pool = p_pool)
      and (not v_own or l.user_id = p_caller.user_id)
    group by l.user_id
  ),
  judged as (
    select
      l.user_id, l.ready_slots, l.ready_orchestration, l.active, l.active_orchestration, l.active_elsewhere, l.turn_at,
      s.running, s.task_limit,
      case when p_caller.user_id is null then s.cloud_reason else s.local_reason end as reason
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

comment on function queue.user_load(queue.caller, text) is
  'Per user with live work, in one pool or both: why the user may run nothing now (null = may), tasks ready, tasks a claim could hand out one after another (the limit counted), tasks active. A token or user sees that user alone, as the user''s own machine would: local tasks too, the onComputer switch instead of credits and inCloud.';

revoke all on function queue.user_load(queue.caller, text) from public, anon, authenticated, service_role;

-- How many tasks this caller could claim one after another now.
create function queue.claimable_count(p_caller queue.caller, p_pool text)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (select coalesce(sum(u.claimable), 0)::integer from queue.user_load(p_caller, p_pool) as u);
end;
$$;

comment on function queue.claimable_count(queue.caller, text) is
  'How many tasks this caller could claim one after another now, in one pool or both (null).';

revoke all on function queue.claimable_count(queue.caller, text) from public, anon, authenticated, service_role;

-- Queued tasks that cannot run now, per reason. A reason of the owner comes before stale.
create function queue.blocked_by_reason(p_caller queue.caller, p_pool text, p_load queue.user_load_row[])
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(json_object_agg(r.reason, r.task_count order by r.reason), '{}')
    from (
      select b.reason, sum(b.task_count) as task_count
      from (
        select
          case when c.reason = 'stale' then coalesce(u.reason, 'stale') else c.reason end as reason,
          c.task_count
        from (
          select k.user_id, k.pool, k.is_cloud, k.reason, k.task_count
          from queue.blocked_tasks as k
          union all
          select o.user_id, o.pool, o.is_cloud, o.stands, 1 from queue.overtaken_by_time() as o where o.stands <> 'ready'
          union all
          select o.user_id, o.pool, o.is_cloud, o.stood, -1 from queue.overtaken_by_time() as o where o.stood <> 'ready'
        ) as c
          left join queue.user_slots as s on s.user_id = c.user_id
          cross join lateral (select case when p_caller.user_id is null then s.cloud_reason else s.local_reason end as reason) as u
        where (p_pool is null or c.pool = p_pool)
          and case when p_caller.user_id is null then c.is_cloud else c.user_id = p_caller.user_id end
        union all
        -- Ready tasks of a user who may run some, but not all of them at once, wait for a slot.
        select coalesce(u.reason, 'user_at_limit'), u.ready - u.claimable
        from unnest(p_load) as u
        where u.ready > u.claimable
      ) as b
      group by b.reason
      having sum(b.task_count) > 0
    ) as r
  );
end;
$$;

comment on function queue.blocked_by_reason(queue.caller, text, queue.user_load_row[]) is
  'Queued tasks that cannot run now, as {"<reason>": n}; every queued task is either claimable or under exactly one reason.';

revoke all on function queue.blocked_by_reason(queue.caller, text, queue.user_load_row[]) from public, anon, authenticated, service_role;

-- The tasks that claims would hand out next, whose turn it is first: filtered before they are cut.
create function queue.next_tasks(p_caller queue.caller, p_pool text, p_limit integer, p_load queue.user_load_row[])
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_old_before timestamptz := queue.now() - (select s.stale_after from queue.settings as s);
  v_due_exist boolean := exists (
    select from public.tasks as t where t.standing = 'not_yet' and t.available_at <= queue.now()
  );
begin
  return query
  select t.*
  from (
    select u.user_id, u.claimable, u.running, u.turn_at
    from unnest(p_load) as u
    where u.claimable > 0
    order by u.running, u.turn_at
    limit p_limit
  ) as u
    cross join lateral (
      select c.*
      from (
        -- One pool and run type at a time: each comes from the index in the order of the line.
        select r.*
        from unnest(array['gpu', 'api']) as l (pool)
          cross join unnest(array['cloud', 'local']) as k (run_type)
          cross join lateral (
            select q.*
            from public.tasks as q
            where q.user_id = u.user_id
              and q.pool = l.pool
              and q.run_type = k.run_type
              and q.standing = 'ready'
              -- Asked only where the answer could be yes.
              and (q.attempts > 0 or q.created_at >= v_old_before or not queue.is_stale(q.created_at, q.attempts, q.params))
            order by q.priority desc, q.created_at, q.id
            limit least(u.claimable, p_limit)
          ) as r
        where (p_pool is null or l.pool = p_pool)
          and (k.run_type = 'cloud' or p_caller.user_id is not null)
        union all
        -- Due, but not yet released by a claim.
        select d.*
        from public.tasks as d
        where v_due_exist
          and d.standing = 'not_yet'
          and d.available_at <= queue.now()
          and d.user_id = u.user_id
          and (p_pool is null or d.pool = p_pool)
          and (d.run_type = 'cloud' or p_caller.user_id is not null)
          and queue.task_standing(d) = 'ready'
      ) as c
      order by c.priority desc, c.created_at, c.id
      limit least(u.claimable, p_limit)
    ) as t
  order by u.running, u.turn_at, t.priority desc, t.created_at
  limit p_limit;
end;
$$;

comment on function queue.next_tasks(queue.caller, text, integer, queue.user_load_row[]) is
  'Up to p_limit tasks that this caller''s claims would hand out next.';

revoke all on function queue.next_tasks(queue.caller, text, integer, queue.user_load_row[]) from public, anon, authenticated, service_role;

-- What an autoscaler decides on, from one snapshot (the function is stable: all its queries see the same state).
create function queue.task_counts(p_caller jsonb, p_run_type text, p_include_active boolean)
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
  v_load queue.user_load_row[];
  v_queued integer;
  v_active integer;
  v_orchestrating integer;
  v_elsewhere integer;
  v_users json;
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

  v_load := array(select l from queue.user_load(v_caller, p_run_type) as l);

  select
    coalesce(sum(u.claimable), 0), coalesce(sum(u.active), 0), coalesce(sum(u.active_orchestration), 0),
    coalesce(sum(u.active_elsewhere), 0)
  into v_queued, v_active, v_orchestrating, v_elsewhere
  from unnest(v_load) as u;

  select coalesce(json_agg(json_build_object(
    'user_id', u.user_id,
    'queued_tasks', u.claimable,
    'ready_tasks', u.ready,
    'in_progress_tasks', u.running,
    'task_limit', u.task_limit,
    'at_limit', u.running >= u.task_limit,
    'blocked_by', u.reason
  )), '[]')
  into v_users
  from (
    select l.*
    from unnest(v_load) as l
    where l.ready > 0 or l.active > 0
    order by l.claimable desc, l.ready desc, l.user_id
    limit v_list_limit
  ) as u;

  select
    coalesce(json_agg(json_build_object(
      'task_id', t.id, 'task_type', t.task_type, 'user_id', t.user_id, 'created_at', t.created_at
    )), '[]'),
    min(t.created_at)
  into v_next, v_oldest
  from queue.next_tasks(v_caller, p_run_type, v_list_limit, v_load) as t;

  select
    coalesce(json_agg(json_strip_nulls(json_build_object(
      'task_id', t.id, 'task_type', t.task_type, 'worker_id', t.worker_id,
      'started_at', coalesce(t.generation_started_at, t.claimed_at, t.updated_at, t.created_at)
    ))), '[]'),
    coalesce(json_agg(json_build_object(
      'task_id', t.id, 'status', t.status, 'is_cloud', t.token_id is null
    )), '[]')
  into v_running, v_recent
  from (
    select r.*
    from public.tasks as r
    where r.status = 'In Progress'
      and (p_run_type is null or r.pool = p_run_type)
      and (v_caller.user_id is null or r.user_id = v_caller.user_id)
    order by r.worker_id
    limit v_list_limit
  ) as t;

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

  v_total := v_queued + case when coalesce(p_include_active, true) then v_active else 0 end;

  return json_build_object(
    'run_type', p_run_type,
    'totals', json_build_object(
      'queued_only', v_queued,
      'eligible_queued', v_queued,
      'active_only', v_active,
      'queued_plus_active', v_total
    ),
    'count', v_total,
    'available_tasks', v_total,
    'queued_plus_active', v_total,
    'global_task_breakdown', json_build_object(
      'in_progress_total', v_active + v_orchestrating + v_elsewhere,
      'in_progress_cloud', v_active + v_orchestrating,
      'in_progress_local', v_elsewhere,
      'orchestrator_tasks', v_orchestrating
    ),
    'blocked', queue.blocked_by_reason(v_caller, p_run_type, v_load),
    'oldest_claimable_age_seconds', extract(epoch from v_now - v_oldest),
    'users', v_users,
    'recent_tasks', v_recent,
    'queued_tasks', v_next,
    'active_tasks', v_running,
    'arrivals_per_minute', v_arrivals,
    'completions_per_minute', v_completions,
    'warnings', case when v_caller.user_id is null then queue.count_warnings(p_run_type, v_load, v_oldest) else '[]' end,
    'suggested_workers', ceil((v_queued + v_active)::numeric / v_per_worker),
    'snapshot_at', v_now
  );
end;
$$;

comment on function queue.task_counts(jsonb, text, boolean) is 'See public.task_counts.';

revoke all on function queue.task_counts(jsonb, text, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.task_counts(jsonb, text, boolean) to service_role;

-- What the derived counters should be, counted from the tasks. The one query that drift and reconcile share.
create function queue.recount(p_user_id uuid)
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
    null::timestamptz
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
create function queue.drift()
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
  select u.id, null::text, to_jsonb(s) - 'cloud_reason' - 'local_reason', to_jsonb(w) - 'cloud_reason' - 'local_reason'
  from public.users as u
    left join (
      select t.user_id, count(*)::integer as running
      from public.tasks as t
      where t.standing = 'active' and t.takes_slot
      group by t.user_id
    ) as r on r.user_id = u.id
    left join queue.user_slots as s on s.user_id = u.id
    cross join lateral queue.slots_of(u, coalesce(r.running, 0)) as w
  where (s.running, s.task_limit, s.has_credits, s.cloud_on, s.local_on, s.settings_malformed)
    is distinct from (w.running, w.task_limit, w.has_credits, w.cloud_on, w.local_on, w.settings_malformed);

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
end;
$$;

comment on function queue.drift() is
  'Derived state that is not what users and tasks add up to: owner, pool (null for the owner''s slots), what is stored, what was counted. No rows = no drift.';

revoke all on function queue.drift() from public, anon, authenticated, service_role;
grant execute on function queue.drift() to service_role;

-- Mends drift, owner by owner under the owner's lock: under it the tasks can be counted without anything moving.
create function queue.reconcile()
returns integer
language plpgsql
volatile
security definer -- writes derived state for the operator
set search_path = ''
as $$
declare
  v_user_id uuid;
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
      local_on = w.local_on, settings_malformed = w.settings_malformed
    from public.users as u
      cross join lateral queue.slots_of(
        u, (select count(*)::integer from public.tasks as t where t.user_id = v_user_id and t.standing = 'active' and t.takes_slot)
      ) as w
    where u.id = v_user_id
      and s.user_id = v_user_id;

    delete from queue.user_lines as l where l.user_id = v_user_id;
    insert into queue.user_lines
    select (r.c).*
    from (select jsonb_populate_record(c, jsonb_build_object('turn_at', queue.now())) as c from queue.recount(v_user_id) as c) as r;

    delete from queue.blocked_tasks as b where b.user_id = v_user_id;
    insert into queue.blocked_tasks (user_id, pool, reason, is_cloud, task_count)
    select v_user_id, t.pool, t.standing, t.run_type is distinct from 'local', count(*)
    from public.tasks as t
    where t.user_id is not distinct from nullif(v_user_id, '00000000-0000-0000-0000-000000000000')
      and t.standing not in ('ready', 'active')
    group by t.pool, t.standing, t.run_type is distinct from 'local';

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
create function queue.sweep(p_limit integer default 1000)
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
create function queue.explain_task(p_caller jsonb, p_task_id uuid)
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
    'remedy', queue.remedy(coalesce(v_reason, case v_task.status when 'Queued' then 'ready' else v_task.status end)),
    'pool', v_task.pool,
    'attempts', v_task.attempts,
    'max_attempts', queue.max_attempts(v_task.task_type),
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
create function queue.explain_worker(p_caller jsonb, p_worker_id text, p_run_type text)
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
  v_load queue.user_load_row[];
  v_claimable integer;
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

  v_load := array(select l from queue.user_load(v_caller, v_pool) as l);
  select coalesce(sum(l.claimable), 0) into v_claimable from unnest(v_load) as l;

  v_reason := case
    when v_worker.status in ('terminating', 'terminated', 'error') then 'worker_' || v_worker.status
    when v_held_count >= v_limit then 'holds_all_it_may'
    when v_claimable = 0 then 'nothing_claimable'
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
    'claimable', v_claimable,
    'holds', v_held,
    'blocked', queue.blocked_by_reason(v_caller, v_pool, v_load)
  );
end;
$$;

comment on function queue.explain_worker(jsonb, text, text) is 'See public.explain_worker.';

revoke all on function queue.explain_worker(jsonb, text, text) from public, anon, authenticated, service_role;
grant execute on function queue.explain_worker(jsonb, text, text) to service_role;
