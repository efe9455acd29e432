-- What: the rules as functions and triggers, and the derived state of rows from before.
-- Why: whatever the way in, a task changes only as the state machine allows, and counters, history and records follow.
-- Back out: drop the triggers on public.tasks, public.users, public.task_types and queue.settings.

set lock_timeout = '900ms';
select queue.lock_tables('public.tasks', 'public.users', 'public.task_types', 'queue.settings');

-- From here on the queue's own triggers complete a row.
drop trigger tasks_are_completed on public.tasks;
drop function public.complete_old_task();

-- Workers index into params: anything but an object kills them. A JSON text of an object is read as the object.
create function queue.params_object(p_params jsonb)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_params jsonb := coalesce(p_params, '{}');
begin
  if jsonb_typeof(v_params) = 'string' then
    begin
      v_params := (v_params #>> '{}')::jsonb;
    exception when invalid_text_representation then
      null; -- refused below, like every other value that is no object
    end;
  end if;

  if jsonb_typeof(v_params) <> 'object' then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('The params must be a JSON object, not %s', jsonb_typeof(v_params))
    );
  end if;
  return v_params;
end;
$$;

comment on function queue.params_object(jsonb) is
  'The params as a JSON object: null = {}, a JSON text is parsed; raises 400 INVALID_ARGUMENT for anything else.';

revoke all on function queue.params_object(jsonb) from public, anon, authenticated, service_role;

-- One infinite timestamp would make every subtraction from it fail, for everybody.
create function queue.refuse_endless_times(p_task public.tasks)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if not (
    isfinite(p_task.created_at) and isfinite(p_task.updated_at) and isfinite(p_task.available_at)
    and isfinite(p_task.generation_started_at) and isfinite(p_task.generation_processed_at)
  ) then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A time of a task must be finite', 'Send a date, not infinity');
  end if;
end;
$$;

comment on function queue.refuse_endless_times(public.tasks) is
  'Raises 400 INVALID_ARGUMENT when one of the task''s times is infinite.';

revoke all on function queue.refuse_endless_times(public.tasks) from public, anon, authenticated, service_role;

-- Which model a task wants, wherever its sender put it.
create function queue.task_model(p_params jsonb)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  -- Cut, because it is part of an index key and a client may send any text.
  return left(
    coalesce(p_params ->> 'model', p_params ->> 'model_name', p_params #>> '{orchestrator_details,model_name}'),
    200
  );
end;
$$;

comment on function queue.task_model(jsonb) is
  'The model that params.model, params.model_name or params.orchestrator_details.model_name asks for; null = any.';

revoke all on function queue.task_model(jsonb) from public, anon, authenticated, service_role;

-- Clients name a task's orchestrator inside params. Anything that is not a UUID names none.
create function queue.parent_task_id(p_params jsonb)
returns uuid
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_params ->> 'orchestrator_task_id_ref' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      then (p_params ->> 'orchestrator_task_id_ref')::uuid
  end;
end;
$$;

comment on function queue.parent_task_id(jsonb) is
  'The orchestrator that params.orchestrator_task_id_ref names, or null when it is no UUID.';

revoke all on function queue.parent_task_id(jsonb) from public, anon, authenticated, service_role;

-- What a user row allows, as the user's slots keep it. The users trigger, drift and reconcile share it.
create function queue.slots_of(p_user public.users, p_running integer)
returns queue.user_slots
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_methods jsonb := p_user.settings #> '{ui,generationMethods}';
  v_slots queue.user_slots;
begin
  v_slots.user_id := p_user.id;
  v_slots.running := p_running;
  v_slots.task_limit := coalesce(p_user.max_in_progress, (select d.default_task_limit from queue.settings as d));
  v_slots.has_credits := coalesce(p_user.credits, 0) > 0;
  v_slots.cloud_on := v_methods -> 'inCloud' is distinct from 'false';
  v_slots.local_on := v_methods -> 'onComputer' is distinct from 'false';
  v_slots.settings_malformed := coalesce(jsonb_typeof(v_methods -> 'inCloud') <> 'boolean', false)
    or coalesce(jsonb_typeof(v_methods -> 'onComputer') <> 'boolean', false);
  return v_slots;
end;
$$;

comment on function queue.slots_of(public.users, integer) is
  'The user_slots row that follows from a user row and the number of tasks that run.';

revoke all on function queue.slots_of(public.users, integer) from public, anon, authenticated, service_role;

-- Whether a task's dependencies let it run. Only tasks of the same owner count as there: to depend on somebody
-- else's task is to depend on a missing one. Who calls this makes sure that no end is missed in between
-- (tasks_after_insert, settle_dependants).
create function queue.dependency_state(p_task_id uuid, p_dependant_on uuid, p_user_id uuid)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_wanted uuid[];
  v_found integer := 0;
  v_complete integer := 0;
  v_lost integer := 0;
begin
  select array_agg(w.id)
  into v_wanted
  from (
    select d.depends_on as id from queue.task_dependencies as d where d.task_id = p_task_id
    union
    select p_dependant_on where p_dependant_on is not null
  ) as w;

  if v_wanted is null then
    return null;
  end if;

  select
    count(*),
    count(*) filter (where t.status = 'Complete'),
    count(*) filter (where t.status in ('Failed', 'Cancelled'))
  into v_found, v_complete, v_lost
  from public.tasks as t
  where t.id = any (v_wanted)
    and t.user_id is not distinct from p_user_id;

  return case
    when v_complete + v_lost < v_found then 'dependency_pending'
    when v_complete < cardinality(v_wanted) then 'dependency_lost'
  end;
end;
$$;

comment on function queue.dependency_state(uuid, uuid, uuid) is
  'dependency_pending (one is still to end), dependency_lost (all ended, but one failed, was cancelled or is missing) or null (none in the way).';

revoke all on function queue.dependency_state(uuid, uuid, uuid) from public, anon, authenticated, service_role;

-- Work that nobody started for a week is not started by surprise. A live parent (the orchestrator that
-- enqueued it) keeps a task fresh.
create function queue.is_stale(p_created_at timestamptz, p_attempts integer, p_params jsonb)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_parent_id uuid;
begin
  if p_attempts > 0 or p_created_at >= queue.now() - (select s.stale_after from queue.settings as s) then
    return false;
  end if;

  v_parent_id := queue.parent_task_id(p_params);

  return v_parent_id is null or not exists (
    select from public.tasks as t
    where t.id = v_parent_id
      and t.status in ('Queued', 'In Progress')
  );
end;
$$;

comment on function queue.is_stale(timestamptz, integer, jsonb) is
  'Whether a queued task was never started, is older than queue.settings.stale_after and has no live parent.';

revoke all on function queue.is_stale(timestamptz, integer, jsonb) from public, anon, authenticated, service_role;

-- The task's half of the one rule (docs/architecture.md): where a live task stands. The reasons are asked in the
-- order in which they are reported; reasons of the owner stand between them and are in queue.user_slots.
create function queue.task_standing(p_task public.tasks)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_is_active boolean;
begin
  if p_task.status = 'In Progress' then
    return 'active';
  elsif p_task.status <> 'Queued' then
    return null;
  elsif p_task.user_id is null then
    return 'no_owner';
  elsif p_task.run_type is null then
    return 'no_run_type';
  end if;

  select y.is_active into v_is_active
  from public.task_types as y
  where y.name = p_task.task_type;

  if not v_is_active then
    return 'type_inactive';
  elsif p_task.available_at > queue.now() then
    return 'not_yet';
  end if;

  return coalesce(
    case when p_task.dependant_on is not null
      then queue.dependency_state(p_task.id, p_task.dependant_on, p_task.user_id)
    end,
    case when queue.is_stale(p_task.created_at, p_task.attempts, p_task.params) then 'stale' end,
    'ready'
  );
end;
$$;

comment on function queue.task_standing(public.tasks) is
  'Where a live task stands: active, ready, or why it waits: no_owner, no_run_type, type_inactive, not_yet, dependency_pending, dependency_lost, stale. Null for a finished task.';

revoke all on function queue.task_standing(public.tasks) from public, anon, authenticated, service_role;

-- How often a task of a type may be started.
create function queue.max_attempts(p_task_type text)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    (select y.max_attempts from public.task_types as y where y.name = p_task_type),
    (select s.max_attempts from queue.settings as s)
  );
end;
$$;

comment on function queue.max_attempts(text) is
  'How often a task of this type may be started before it ends Failed.';

revoke all on function queue.max_attempts(text) from public, anon, authenticated, service_role;

-- Whether completing a task leaves a result record.
create function queue.creates_generation(p_task_type text, p_params jsonb)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select from public.task_types as y
    where y.name = p_task_type
      and y.creates_generation
  ) and p_params ->> 'skip_generation' is distinct from 'true';
end;
$$;

comment on function queue.creates_generation(text, jsonb) is
  'Whether completing a task of this type with these params records a generation; params.skip_generation = true says no.';

revoke all on function queue.creates_generation(text, jsonb) from public, anon, authenticated, service_role;

-- The queued tasks that wait for these, locked in the order of their ids.
create function queue.lock_dependants(p_task_ids uuid[])
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return (
    select array_agg(w.id)
    from (
      select t.id
      from public.tasks as t
      where t.status = 'Queued'
        and t.id in (select d.task_id from queue.task_dependencies as d where d.depends_on = any (p_task_ids))
      order by t.id
      for no key update
    ) as w
  );
end;
$$;

comment on function queue.lock_dependants(uuid[]) is 'Locks the queued tasks that depend on these and returns their ids; null for none.';

revoke all on function queue.lock_dependants(uuid[]) from public, anon, authenticated, service_role;

-- The update trigger works out where a queued task stands whenever its row is written.
create function queue.ask_standing_again(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.tasks as t
  set standing = null
  where t.id = any (p_task_ids)
    and t.status = 'Queued';
end;
$$;

comment on function queue.ask_standing_again(uuid[]) is 'Works out again where these queued tasks stand.';

revoke all on function queue.ask_standing_again(uuid[]) from public, anon, authenticated, service_role;

-- Opens and closes lines after something about their owners has changed. The caller holds the owners' locks.
create function queue.refresh_lines(p_user_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update queue.user_lines as l
  set running = s.running,
    is_open = s.cloud_reason is null and l.ready_cloud + l.ready_cloud_orchestration > 0
  from queue.user_slots as s
  where s.user_id = any (p_user_ids)
    and l.user_id = s.user_id
    and (
      l.running <> s.running
      or l.is_open <> (s.cloud_reason is null and l.ready_cloud + l.ready_cloud_orchestration > 0)
    );
end;
$$;

comment on function queue.refresh_lines(uuid[]) is
  'Brings running and is_open of these users'' lines in step with their slots. Call it under the users'' locks.';

revoke all on function queue.refresh_lines(uuid[]) from public, anon, authenticated, service_role;

-- What the history should say about the changes that follow in this transaction.
create function queue.say(p_actor text, p_reason text default null, p_details jsonb default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform
    set_config('queue.actor', coalesce(p_actor, ''), true),
    set_config('queue.reason', coalesce(p_reason, ''), true),
    set_config('queue.details', coalesce(p_details::text, ''), true);
end;
$$;

comment on function queue.say(text, text, jsonb) is
  'Sets actor, reason and details of the task events that follow in this transaction; null clears each.';

revoke all on function queue.say(text, text, jsonb) from public, anon, authenticated, service_role;

-- Who is behind a change, for the history. Queue functions say it once per transaction; for a direct
-- change through the Data API the caller's role is what is known.
create function queue.actor()
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    nullif(current_setting('queue.actor', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role',
    session_user::text
  );
end;
$$;

comment on function queue.actor() is
  'Who is behind the current change: what the queue function in charge said, else the role in the caller''s JWT, else the database user.';

revoke all on function queue.actor() from public, anon, authenticated, service_role;

-- What every new row gets, whoever inserts it: its owner, its pool and where it stands.
create function queue.tasks_before_insert()
returns trigger
language plpgsql
security definer -- reads owner, type and dependencies on behalf of any caller who may insert
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_owner uuid;
begin
  if new.status <> 'Queued' then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('A task begins Queued, this one was to begin %s', new.status),
      'Insert it Queued; claim, complete or fail it through the functions'
    );
  end if;

  perform queue.refuse_endless_times(new);

  if new.project_id is not null then
    select p.user_id into v_owner from public.projects as p where p.id = new.project_id;
    -- An unknown project is left to the foreign key.
    new.user_id := coalesce(v_owner, new.user_id);
  end if;

  new.run_type := coalesce(new.run_type, 'cloud');
  new.params := queue.params_object(new.params);
  -- A default timestamp becomes the queue's own time; one that was given stays.
  if new.created_at = pg_catalog.now() then
    new.created_at := queue.now();
  end if;
  new.updated_at := coalesce(new.updated_at, new.created_at);

  select y.run_type, y.category <> 'orchestration'
  into new.pool, new.takes_slot
  from public.task_types as y
  where y.name = new.task_type;
  new.pool := coalesce(new.pool, 'gpu');
  new.takes_slot := coalesce(new.takes_slot, true);

  if new.dependant_on = new.id then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A task cannot depend on itself');
  end if;
  new.model := queue.task_model(new.params);
  new.standing := queue.task_standing(new);
  return new;
end;
$$;

comment on function queue.tasks_before_insert() is 'Trigger: gives a new task its owner, pool and standing.';

revoke all on function queue.tasks_before_insert() from public, anon, authenticated, service_role;

create trigger tasks_before_insert
  before insert on public.tasks
  for each row execute function queue.tasks_before_insert();

-- The state machine (docs/architecture.md), as a question about two versions of a row. A claim and a requeue
-- prove themselves by a column that no API role may write, so a direct PATCH can be neither.
create function queue.is_legal_transition(p_old public.tasks, p_new public.tasks)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_new.status = 'Queued' and p_old.status = 'Queued' then true
    when p_new.status = 'Queued' and p_old.status = 'In Progress' then true
    when p_new.status = 'Queued' then p_new.requeue_count > p_old.requeue_count
    when p_new.status = p_old.status then true
    when p_old.status = 'Queued' and p_new.status = 'In Progress'
      then p_new.lease_token is distinct from p_old.lease_token and p_new.lease_token is not null
    -- A result that arrives after the task was rescued; a task that nobody ever started has none.
    when p_old.status = 'Queued' and p_new.status = 'Complete' then p_old.claimed_at is not null
    when p_old.status in ('Queued', 'In Progress') then p_new.status in ('Complete', 'Failed', 'Cancelled')
    else false
  end;
end;
$$;

comment on function queue.is_legal_transition(public.tasks, public.tasks) is
  'Whether a task may change from the first version of its row to the second.';

revoke all on function queue.is_legal_transition(public.tasks, public.tasks) from public, anon, authenticated, service_role;

-- Keeps the state machine whatever the way in. Deployed clients PATCH many rows at once while tasks finish in
-- between, so an illegal row is left as it is (and not returned) and the rest of the statement goes through.
create function queue.tasks_before_update()
returns trigger
language plpgsql
security definer -- reads type, settings and dependencies on behalf of any caller who may update
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_is_new_start boolean := new.lease_token is distinct from old.lease_token and new.lease_token is not null;
  -- No API role can write these two columns: the queue itself asks for them to be derived again.
  v_is_derived_again boolean := new.pool is null or (new.standing is null and old.standing is not null);
  v_is_direct boolean := coalesce(current_setting('queue.actor', true), '') = '';
  -- What this statement says, not what an earlier one left in the columns.
  v_said text := coalesce(
    case when new.error_message is distinct from old.error_message then nullif(new.error_message, '') end,
    case
      when new.status = 'Failed' and new.output_location is distinct from old.output_location
        then nullif(new.output_location, '')
    end,
    case when new.error_details is distinct from old.error_details then nullif(new.error_details, '') end,
    nullif(current_setting('queue.reason', true), '')
  );
begin
  if not queue.is_legal_transition(old, new) then
    return null;
  end if;

  perform queue.refuse_endless_times(new);

  -- Only a claim or a requeue moves the count of starts; what a client read and wrote back does not.
  if not v_is_new_start and new.requeue_count = old.requeue_count then
    new.attempts := old.attempts;
  end if;

  if old.status = 'In Progress' and new.status = 'Queued'
    and new.attempts >= queue.max_attempts(new.task_type) then
    new.status := 'Failed';
    v_said := pg_catalog.format(
      'Given up after %s starts; the last one ended with: %s', new.attempts, coalesce(v_said, 'no reason given')
    );
    new.worker_id := old.worker_id;
  end if;

  if new.status in ('Complete', 'Failed', 'Cancelled') and old.status = new.status then
    -- A finished task keeps its result and its story.
    new.output_location := old.output_location;
    new.thumbnail_url := old.thumbnail_url;
    new.error_message := coalesce(
      old.error_message, new.error_message,
      -- An old failure may lack its reason; a new version of the row may not.
      case when old.status = 'Failed' then 'Failed without a reason' end
    );
    new.generation_started_at := old.generation_started_at;
    new.generation_processed_at := old.generation_processed_at;
    new.worker_id := old.worker_id;
  elsif new.status = 'Failed' then
    new.error_message := queue.cut_text(coalesce(v_said, 'Failed without a reason'));
    if v_is_direct and new.error_message <> v_said then
      -- The history keeps it whole. A direct change says the same of all its rows.
      perform set_config('queue.details', jsonb_build_object('error_message', v_said)::text, true);
    end if;
    new.output_location := case
      when new.output_location is distinct from old.output_location
        then coalesce(queue.cut_text(nullif(new.output_location, '')), new.error_message)
      else new.error_message
    end;
  elsif new.status = 'Complete' then
    new.generation_processed_at := queue.now();
    if v_is_direct and new.output_location is not distinct from old.output_location then
      new.output_location := null; -- a progress text is no result
    end if;
    new.generation_created := queue.creates_generation(new.task_type, new.params);
  elsif new.status = 'Queued' then
    new.lease_token := null;
    new.claim_id := null;
    new.token_id := null;
    new.worker_id := null;
    new.delivered_at := null;
    -- Proof of a start, also on rows that were started before the column existed.
    if old.status = 'In Progress' then
      new.claimed_at := coalesce(old.claimed_at, old.generation_started_at, old.updated_at, old.created_at);
    end if;
    new.generation_started_at := null;
    new.generation_processed_at := null;
  end if;

  if new.task_type is distinct from old.task_type or new.pool is null then
    select y.run_type, y.category <> 'orchestration'
    into new.pool, new.takes_slot
    from public.task_types as y
    where y.name = new.task_type;
    new.pool := coalesce(new.pool, 'gpu');
    new.takes_slot := coalesce(new.takes_slot, true);
  end if;
  if new.params is distinct from old.params then
    new.params := queue.params_object(new.params);
  end if;
  if v_is_derived_again or new.params is distinct from old.params then
    new.model := queue.task_model(new.params);
  end if;

  if new.status = 'In Progress' then
    new.standing := 'active';
  else
    new.standing := queue.task_standing(new);
  end if;

  if not v_is_derived_again then
    new.updated_at := queue.now();
  end if;
  return new;
end;
$$;

comment on function queue.tasks_before_update() is
  'Trigger: refuses illegal changes row by row, and keeps the columns that follow from the state.';

revoke all on function queue.tasks_before_update() from public, anon, authenticated, service_role;

-- A claim proves itself (see queue.is_legal_transition) and sets what follows from it (queue.start_task).
create trigger tasks_before_update
  before update on public.tasks
  for each row
  when (
    not (
      old.standing = 'ready' and new.standing = 'active'
      and new.lease_token is distinct from old.lease_token and new.lease_token is not null
    )
    or new.lease_token is null
  )
  execute function queue.tasks_before_update();

-- Moves the derived counters by what one statement changed, owner by owner in the order of their ids. Everything
-- about an owner is done under the lock on the owner's slots, and the order keeps two statements that touch several
-- owners from waiting for each other in a circle.
create function queue.shift_load(p_changes queue.load_change[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_change record;
  v_slots queue.user_slots;
  v_has_blocked boolean := false;
begin
  for v_change in
    select
      c.user_id,
      c.pool,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and c.is_cloud and c.takes_slot), 0) as ready_cloud,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and c.is_cloud and not c.takes_slot), 0) as ready_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and not c.is_cloud and c.takes_slot), 0) as ready_local,
      coalesce(sum(c.delta) filter (where c.standing = 'ready' and not c.is_cloud and not c.takes_slot), 0) as ready_local_orchestration,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and c.is_cloud and c.takes_slot), 0) as active_cloud,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and c.is_cloud and not c.takes_slot), 0) as active_cloud_orchestration,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and not c.is_cloud and c.takes_slot), 0) as active_local,
      coalesce(sum(c.delta) filter (where c.standing = 'active' and not c.is_cloud and not c.takes_slot), 0) as active_local_orchestration,
      bool_or(c.standing not in ('ready', 'active')) as has_blocked
    from unnest(p_changes) as c
    group by c.user_id, c.pool
    order by c.user_id, c.pool
  loop
    v_has_blocked := v_has_blocked or v_change.has_blocked;
    continue when v_change.user_id is null;

    -- The lock, and what runs.
    update queue.user_slots as s
    set running = s.running + v_change.active_cloud + v_change.active_local
    where s.user_id = v_change.user_id
    returning s.* into v_slots;

    -- The line that gained or lost tasks. Being served, or beginning to wait, starts a new wait for a turn.
    update queue.user_lines as l
    set ready_cloud = l.ready_cloud + v_change.ready_cloud,
      ready_cloud_orchestration = l.ready_cloud_orchestration + v_change.ready_cloud_orchestration,
      ready_local = l.ready_local + v_change.ready_local,
      ready_local_orchestration = l.ready_local_orchestration + v_change.ready_local_orchestration,
      active_cloud = l.active_cloud + v_change.active_cloud,
      active_cloud_orchestration = l.active_cloud_orchestration + v_change.active_cloud_orchestration,
      active_local = l.active_local + v_change.active_local,
      active_local_orchestration = l.active_local_orchestration + v_change.active_local_orchestration,
      running = v_slots.running,
      is_open = v_slots.cloud_reason is null
        and l.ready_cloud + v_change.ready_cloud
          + l.ready_cloud_orchestration + v_change.ready_cloud_orchestration > 0,
      turn_at = case
        when v_change.active_cloud > 0 or v_change.active_cloud_orchestration > 0
          or l.ready_cloud + l.ready_cloud_orchestration = 0 then p_now
        else l.turn_at
      end
    where l.user_id = v_change.user_id
      and l.pool = v_change.pool;

    if not found and v_slots.user_id is not null then
      insert into queue.user_lines (
        user_id, pool, ready_cloud, ready_cloud_orchestration, ready_local, ready_local_orchestration,
        active_cloud, active_cloud_orchestration, active_local, active_local_orchestration, running, is_open, turn_at
      )
      values (
        v_change.user_id, v_change.pool,
        v_change.ready_cloud, v_change.ready_cloud_orchestration,
        v_change.ready_local, v_change.ready_local_orchestration,
        v_change.active_cloud, v_change.active_cloud_orchestration,
        v_change.active_local, v_change.active_local_orchestration,
        v_slots.running,
        v_slots.cloud_reason is null and v_change.ready_cloud + v_change.ready_cloud_orchestration > 0,
        p_now
      );
    end if;

    -- The owner's line in the other pool, where what runs has changed under it.
    if v_change.active_cloud + v_change.active_local <> 0 then
      update queue.user_lines as l
      set running = v_slots.running, is_open = v_slots.cloud_reason is null
      where l.user_id = v_change.user_id
        and l.pool <> v_change.pool
        and l.ready_cloud + l.ready_cloud_orchestration > 0;
    end if;
  end loop;

  if v_has_blocked then
    perform queue.shift_blocked(p_changes);
  end if;
end;
$$;

comment on function queue.shift_load(queue.load_change[], timestamptz) is
  'Moves user_slots, user_lines and blocked_tasks by what one statement changed; takes the owners'' locks first, in the order of their ids.';

revoke all on function queue.shift_load(queue.load_change[], timestamptz) from public, anon, authenticated, service_role;

-- The counters of tasks that wait for a reason of their own. Runs under the owners' locks (queue.shift_load).
create function queue.shift_blocked(p_changes queue.load_change[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  with change as (
    select
      coalesce(c.user_id, '00000000-0000-0000-0000-000000000000') as user_id,
      c.pool,
      c.standing as reason,
      c.is_cloud,
      sum(c.delta) as delta
    from unnest(p_changes) as c
    where c.standing not in ('ready', 'active')
    group by 1, 2, 3, 4
    having sum(c.delta) <> 0
  ),
  known as (
    update queue.blocked_tasks as b
    set task_count = b.task_count + c.delta
    from change as c
    where b.user_id = c.user_id
      and b.pool = c.pool
      and b.reason = c.reason
      and b.is_cloud = c.is_cloud
    returning b.user_id, b.pool, b.reason, b.is_cloud
  )
  insert into queue.blocked_tasks as b (user_id, pool, reason, is_cloud, task_count)
  select c.user_id, c.pool, c.reason, c.is_cloud, c.delta
  from change as c
  where not exists (
    select
    from known as k
    where k.user_id = c.user_id
      and k.pool = c.pool
      and k.reason = c.reason
      and k.is_cloud = c.is_cloud
  )
  -- Tasks without an owner have no lock above them: two statements may add the same row.
  on conflict (user_id, pool, reason, is_cloud) do update
    set task_count = b.task_count + excluded.task_count;
end;
$$;

comment on function queue.shift_blocked(queue.load_change[]) is
  'Moves queue.blocked_tasks by what one statement changed.';

revoke all on function queue.shift_blocked(queue.load_change[]) from public, anon, authenticated, service_role;

-- After an insert statement: dependencies recorded, counters moved, history begun. Per statement, so that a bulk
-- insert moves each counter once.
create function queue.tasks_after_insert()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may insert
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_changes queue.load_change[];
  v_now timestamptz := queue.now();
  v_actor text := queue.actor();
  v_unsettled uuid[];
begin
  insert into queue.task_dependencies (task_id, depends_on)
  select n.id, n.dependant_on
  from new_rows as n
  where n.dependant_on is not null
  on conflict do nothing;

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.standing, g.delta)::queue.load_change)
  into v_changes
  from (
    select n.user_id, n.pool, n.run_type is distinct from 'local' as is_cloud, n.takes_slot, n.standing, count(*)::integer as delta
    from new_rows as n
    where n.standing is not null
    group by 1, 2, 3, 4, 5
  ) as g;

  if v_changes is not null then
    perform queue.shift_load(v_changes, v_now);
  end if;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select n.id, n.user_id, v_now, null, n.status, n.worker_id, n.attempts, v_actor, 'created'
  from new_rows as n;

  -- A dependency may have come, ended or gone between the look at it and the owner's lock, which is held from here on; and a
  -- task that others already wait for may only now have come.
  select array_agg(u.id)
  into v_unsettled
  from (
    select n.id
    from new_rows as n
      join queue.task_dependencies as d on d.task_id = n.id
      left join public.tasks as t on t.id = d.depends_on
    where n.standing = 'dependency_lost'
      or (n.standing = 'dependency_pending' and (t.id is null or t.status in ('Complete', 'Failed', 'Cancelled')))
    union
    select d.task_id
    from new_rows as n
      join queue.task_dependencies as d on d.depends_on = n.id
      join public.tasks as t on t.id = d.task_id
    where t.standing = 'dependency_lost'
  ) as u;

  if v_unsettled is not null then
    perform queue.ask_standing_again(v_unsettled);
  end if;

  return null;
end;
$$;

comment on function queue.tasks_after_insert() is 'Trigger: dependencies, counters and history of newly inserted tasks.';

revoke all on function queue.tasks_after_insert() from public, anon, authenticated, service_role;

create trigger tasks_after_insert
  after insert on public.tasks
  referencing new table as new_rows
  for each statement execute function queue.tasks_after_insert();

-- After an update statement: counters, history, result records and dependants follow, in the same transaction and
-- whatever the way in.
create function queue.tasks_after_update()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may update
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_changes queue.load_change[];
  v_ended uuid[];
  v_now timestamptz;
begin
  if current_setting('queue.counts_itself', true) = 'on' then
    return null;
  end if;
  v_now := queue.now();

  select array_agg(n.id order by n.id)
  into v_ended
  from new_rows as n
    join old_rows as o on o.id = n.id
  where n.status in ('Complete', 'Failed', 'Cancelled')
    and o.status <> n.status;

  -- Waiting tasks are locked before their owner, like everywhere.
  if v_ended is not null then
    perform queue.lock_dependants(v_ended);
  end if;

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.standing, g.delta)::queue.load_change)
  into v_changes
  from (
    select m.user_id, m.pool, m.is_cloud, m.takes_slot, m.standing, sum(m.delta)::integer as delta
    from (
      select
        o.user_id, o.pool,
        case when o.status = 'In Progress' then o.token_id is null else o.run_type is distinct from 'local' end as is_cloud,
        o.takes_slot, o.standing, -1 as delta
      from old_rows as o
      where o.standing is not null
      union all
      select
        n.user_id, n.pool,
        case when n.status = 'In Progress' then n.token_id is null else n.run_type is distinct from 'local' end,
        n.takes_slot, n.standing, 1
      from new_rows as n
      where n.standing is not null
    ) as m
    group by 1, 2, 3, 4, 5
    having sum(m.delta) <> 0
  ) as g;

  if v_changes is not null then
    perform queue.shift_load(v_changes, v_now);
  end if;

  -- The state, or the start (a second start by the same worker changes only the lease).
  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
  select
    n.id, n.user_id, v_now, o.status, n.status, coalesce(n.worker_id, o.worker_id), n.attempts,
    queue.actor(),
    coalesce(
      nullif(current_setting('queue.reason', true), ''),
      case
        when n.status = 'In Progress' and n.attempts = o.attempts then 'handed out again, the reply was lost'
        when n.status = 'In Progress' then 'started again by its holder'
      end,
      case
        when n.status not in ('Failed', 'Queued', 'Cancelled') then null
        when n.error_message is distinct from o.error_message then n.error_message
        when n.error_details is distinct from o.error_details then n.error_details
        when n.status = 'Failed' then n.error_message
      end
    ),
    nullif(current_setting('queue.details', true), '')::jsonb
  from new_rows as n
    join old_rows as o on o.id = n.id
  where n.status <> o.status
    or n.lease_token <> o.lease_token;

  if coalesce(current_setting('queue.actor', true), '') = '' then
    perform set_config('queue.details', '', true);
  end if;

  if v_ended is not null then
    perform queue.record_generations(v_ended);
    perform queue.settle_dependants(v_ended);
  end if;

  return null;
end;
$$;

comment on function queue.tasks_after_update() is
  'Trigger: counters, history, result records and dependants of changed tasks.';

revoke all on function queue.tasks_after_update() from public, anon, authenticated, service_role;

create trigger tasks_after_update
  after update on public.tasks
  referencing old table as old_rows new table as new_rows
  for each statement execute function queue.tasks_after_update();

-- The result records of tasks that were just completed. Called wherever a task becomes Complete, so there is no way
-- to complete a task of a type that creates generations without one. A task that was put back and completed again
-- replaces its record: task and record never name different results.
create function queue.record_generations(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into public.generations (task_id, project_id, user_id, type, location, thumbnail_url, params, created_at)
  select
    t.id, t.project_id, t.user_id, y.content_type, t.output_location, t.thumbnail_url, t.params,
    t.generation_processed_at
  from public.tasks as t
    left join public.task_types as y on y.name = t.task_type
  where t.id = any (p_task_ids)
    and t.status = 'Complete'
    and t.generation_created
  on conflict (task_id) do update
    set location = excluded.location,
      thumbnail_url = excluded.thumbnail_url,
      params = excluded.params;
end;
$$;

comment on function queue.record_generations(uuid[]) is
  'Records one generation for each of these tasks that is Complete and of a type that creates them.';

revoke all on function queue.record_generations(uuid[]) from public, anon, authenticated, service_role;

-- Tasks that waited for tasks that have just ended. They are locked before they are looked at, so that of two
-- dependencies that end at the same time the second one sees the first.
create function queue.settle_dependants(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[] := queue.lock_dependants(p_task_ids);
begin
  if v_waiting is not null then
    perform queue.ask_standing_again(v_waiting);
  end if;
end;
$$;

comment on function queue.settle_dependants(uuid[]) is
  'Works out again where the tasks stand that depend on these, which have just ended.';

revoke all on function queue.settle_dependants(uuid[]) from public, anon, authenticated, service_role;

-- What a user may is copied into the user's slots row, so that a claim reads one row and one malformed setting
-- concerns one user. Closing or opening the user's lines happens here too.
create function queue.users_after_write()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may write users
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_slots queue.user_slots := queue.slots_of(new, 0);
begin
  insert into queue.user_slots as s (user_id, task_limit, has_credits, cloud_on, local_on, settings_malformed)
  values (
    new.id, v_slots.task_limit, v_slots.has_credits, v_slots.cloud_on, v_slots.local_on, v_slots.settings_malformed
  )
  on conflict (user_id) do update
    set task_limit = excluded.task_limit,
      has_credits = excluded.has_credits,
      cloud_on = excluded.cloud_on,
      local_on = excluded.local_on,
      settings_malformed = excluded.settings_malformed
    where (s.task_limit, s.has_credits, s.cloud_on, s.local_on, s.settings_malformed)
      is distinct from
      (excluded.task_limit, excluded.has_credits, excluded.cloud_on, excluded.local_on, excluded.settings_malformed);

  if found then
    perform queue.refresh_lines(array[new.id]);
  end if;
  return null;
end;
$$;

comment on function queue.users_after_write() is 'Trigger: keeps queue.user_slots and the user''s lines in step with the user row.';

revoke all on function queue.users_after_write() from public, anon, authenticated, service_role;

create trigger users_after_write
  after insert or update on public.users
  for each row execute function queue.users_after_write();

-- A changed default limit concerns every user without a limit of their own.
create function queue.settings_after_update()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_changed uuid[];
begin
  if new.stale_after <> old.stale_after then
    update public.tasks as t set standing = null where t.standing = 'stale';
  end if;

  if new.default_task_limit = old.default_task_limit then
    return null;
  end if;

  perform from queue.user_slots as s order by s.user_id for no key update;

  with changed as (
    update queue.user_slots as s
    set task_limit = new.default_task_limit
    from public.users as u
    where u.id = s.user_id
      and u.max_in_progress is null
      and s.task_limit <> new.default_task_limit
    returning s.user_id
  )
  select array_agg(c.user_id) into v_changed from changed as c;

  perform queue.refresh_lines(v_changed);
  return null;
end;
$$;

comment on function queue.settings_after_update() is 'Trigger: applies a changed default_task_limit to the users it concerns.';

revoke all on function queue.settings_after_update() from public, anon, authenticated, service_role;

create trigger settings_after_update
  after update on queue.settings
  for each row execute function queue.settings_after_update();

-- A type that appears, changes pool or is switched off concerns every live task of that type.
create function queue.task_types_after_write()
returns trigger
language plpgsql
security definer -- updates tasks on behalf of any caller who may write types
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
begin
  -- The update trigger derives pool, slot and standing again where pool is null.
  update public.tasks as t
  set pool = null
  where t.task_type in (old.name, new.name) -- old is null in an insert, new in a delete
    and t.standing is not null;
  return null;
end;
$$;

comment on function queue.task_types_after_write() is 'Trigger: derives pool, slot and standing of a type''s live tasks again.';

revoke all on function queue.task_types_after_write() from public, anon, authenticated, service_role;

create trigger task_types_after_write
  after insert or update or delete on public.task_types
  for each row execute function queue.task_types_after_write();

-- A deleted task leaves the counters; what depended on it can never run.
create function queue.tasks_after_delete()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may delete
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_changes queue.load_change[];
  v_actor text := queue.actor();
  v_now timestamptz := queue.now();
  v_ids uuid[];
begin
  select array_agg(o.id) into v_ids from old_rows as o;
  perform queue.lock_dependants(v_ids);

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.standing, g.delta)::queue.load_change)
  into v_changes
  from (
    select
      o.user_id, o.pool,
      case when o.status = 'In Progress' then o.token_id is null else o.run_type is distinct from 'local' end as is_cloud,
      o.takes_slot, o.standing, -count(*)::integer as delta
    from old_rows as o
    where o.standing is not null
    group by 1, 2, 3, 4, 5
  ) as g;

  if v_changes is not null then
    perform queue.shift_load(v_changes, v_now);
  end if;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select o.id, o.user_id, v_now, o.status, o.status, o.worker_id, o.attempts, v_actor, 'deleted'
  from old_rows as o;

  perform queue.settle_dependants(v_ids);
  return null;
end;
$$;

comment on function queue.tasks_after_delete() is 'Trigger: counters, history and dependants of deleted tasks.';

revoke all on function queue.tasks_after_delete() from public, anon, authenticated, service_role;

create trigger tasks_after_delete
  after delete on public.tasks
  referencing old table as old_rows
  for each statement execute function queue.tasks_after_delete();
