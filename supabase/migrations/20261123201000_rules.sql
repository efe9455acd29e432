-- What: rules of endings, families and recovery.
-- Why: whatever the way in, a task changes only as the state machine allows, and counters, history and records follow.
-- Back out: apply the versions of these functions that the migrations before this one hold.

set lock_timeout = '5s';

drop function queue.fail_task(queue.caller, public.tasks, text, text, boolean);
drop function queue.refuse_endless_times(public.tasks);

-- One infinite timestamp would make every subtraction from it fail, for everybody; a limit below one would never be
-- reached. Asked here and not by checks: the table's hottest statements would parse those anew each time.
create function queue.refuse_impossible_values(p_task public.tasks)
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
  elsif p_task.max_attempts < 1 or p_task.timeout <= interval '0' then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'max_attempts must be 1 or more, and timeout longer than nothing', 'Leave it out for the type''s'
    );
  elsif p_task.run_type not in ('cloud', 'local') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be cloud or local, not %s', p_task.run_type));
  end if;
end;
$$;

comment on function queue.refuse_impossible_values(public.tasks) is
  'Raises 400 INVALID_ARGUMENT when one of the task''s times is infinite, one of its limits is not positive or its run_type does not exist.';

revoke all on function queue.refuse_impossible_values(public.tasks) from public, anon, authenticated, service_role;

-- What every new row gets, whoever inserts it: its owner, its pool and where it stands.
create or replace function queue.tasks_before_insert()
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

  perform queue.refuse_impossible_values(new);

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

drop trigger if exists tasks_before_insert on public.tasks;
create trigger tasks_before_insert
  before insert on public.tasks
  for each row execute function queue.tasks_before_insert();

-- Keeps the state machine whatever the way in. Deployed clients PATCH many rows at once while tasks finish in
-- between, so an illegal row is left as it is (and not returned) and the rest of the statement goes through.
create or replace function queue.tasks_before_update()
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

  perform queue.refuse_impossible_values(new);

  -- Only a claim or a requeue moves the count of starts; what a client read and wrote back does not.
  if not v_is_new_start and new.requeue_count = old.requeue_count then
    new.attempts := old.attempts;
  end if;

  if old.status = 'In Progress' and new.status = 'Queued'
    and new.attempts >= queue.starts_allowed(new) then
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
    new.reported_at := null;
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

-- A claim sets all that follows from it, standing too (queue.start_task), and needs no second opinion. No API role may
-- write standing: in a direct change it is still the old one here. The condition is short because every statement that
-- updates tasks parses it anew.
drop trigger if exists tasks_before_update on public.tasks;
create trigger tasks_before_update
  before update on public.tasks
  for each row
  when (new.standing is distinct from 'active' or old.standing = 'active')
  execute function queue.tasks_before_update();

-- After an update statement: counters, history, result records and dependants follow, in the same transaction and
-- whatever the way in.
create or replace function queue.tasks_after_update()
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

drop trigger if exists tasks_after_update on public.tasks;
create trigger tasks_after_update
  after update on public.tasks
  referencing old table as old_rows new table as new_rows
  for each statement
  -- A claim keeps the counters and the history itself (queue.claim_next_task, queue.start_task).
  when (current_setting('queue.counts_itself', true) is distinct from 'on')
  execute function queue.tasks_after_update();

-- How often this very task may be started: its own limit, else its type's, else the settings'.
create function queue.starts_allowed(p_task public.tasks)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_task.max_attempts, queue.max_attempts(p_task.task_type));
end;
$$;

comment on function queue.starts_allowed(public.tasks) is
  'How often this task may be started before it ends Failed; a requeue raises it.';

revoke all on function queue.starts_allowed(public.tasks) from public, anon, authenticated, service_role;

-- The wait before a failed task is tried again: doubled at each start, and spread, so that tasks that failed together
-- (a provider was down) do not all come back together.
create function queue.retry_wait(p_attempts integer)
returns interval
language plpgsql
volatile -- random
security invoker
set search_path = ''
as $$
declare
  v_settings queue.settings;
begin
  select s.* into v_settings from queue.settings as s;
  return least(
    v_settings.max_retry_delay,
    -- Doubling stops where any delay has long reached its limit.
    v_settings.retry_delay * pg_catalog.power(2, least(greatest(p_attempts, 1), 20) - 1)
  ) * (0.75 + pg_catalog.random() * 0.25);
end;
$$;

comment on function queue.retry_wait(integer) is
  'How long a task waits after its n-th failed start: queue.settings.retry_delay * 2^(n-1), at most max_retry_delay, less up to a quarter at random.';

revoke all on function queue.retry_wait(integer) from public, anon, authenticated, service_role;

-- Whether a reported failure of a type of task is worth another try. Unknown types are.
create function queue.is_retryable(p_task_type text)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce((select y.is_retryable from public.task_types as y where y.name = p_task_type), true);
end;
$$;

comment on function queue.is_retryable(text) is 'Whether a failed task of this type may be tried again; true for an unknown type.';

revoke all on function queue.is_retryable(text) from public, anon, authenticated, service_role;
