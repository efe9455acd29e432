-- What: rules of endings, families and recovery.
-- Why: whatever the way in, a task changes only as the state machine allows, and counters, history and records follow.
-- Back out: apply the versions of these functions that the migrations before this one hold.

set lock_timeout = '5s';

drop function queue.fail_task(queue.caller, public.tasks, text, text, boolean);
drop function queue.lock_dependants(uuid[]);
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

-- What a user row allows, as the user's slots keep it: the owner's half of the one rule (docs/architecture.md). Whoever
-- writes what a user may takes it from here; the task's own half is queue.task_standing.
create or replace function queue.slots_of(p_user public.users, p_running integer)
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
  -- In the order in which the reasons are reported.
  v_slots.cloud_reason := case
    when not v_slots.has_credits then 'no_credits'
    when not v_slots.cloud_on then 'cloud_disabled'
    when v_slots.running >= v_slots.task_limit then 'user_at_limit'
  end;
  v_slots.local_reason := case
    when not v_slots.local_on then 'local_disabled'
    when v_slots.running >= v_slots.task_limit then 'user_at_limit'
  end;
  return v_slots;
end;
$$;

comment on function queue.slots_of(public.users, integer) is
  'The user_slots row that follows from a user row and the number of tasks that run.';

revoke all on function queue.slots_of(public.users, integer) from public, anon, authenticated, service_role;

-- These tasks and the live ones that their end may change, locked before any owner is and in the order of their ids, so that
-- nobody who does the same can wait for us in a circle: the tasks that wait for them, the orchestrators that they are
-- parts of, and what would go with those in turn. After a good end only the first of the waiting change.
create function queue.lock_relatives_of(p_task_ids uuid[], p_user_ids uuid[], p_is_lost boolean)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_above uuid[];
  v_waiting uuid[];
  v_lost uuid[];
begin
  select array_agg(s.orchestrator_id)
  into v_above
  from queue.subtasks as s
  where s.task_id = any (p_task_ids);

  select array_agg(d.task_id)
  into v_waiting
  from queue.task_dependencies as d
  where d.depends_on = any (p_task_ids);

  if v_above is null and v_waiting is null then
    return; -- nothing to keep in order
  end if;

  with recursive reached (task_id) as (
    select r.id from unnest(v_above || case when p_is_lost then v_waiting end) as r (id)
    union
    select n.id
    from reached as l
      cross join lateral (
        select d.task_id as id from queue.task_dependencies as d where d.depends_on = l.task_id
        union all
        select s.orchestrator_id from queue.subtasks as s where s.task_id = l.task_id
      ) as n
  )
  select array_agg(l.task_id) into v_lost from reached as l;

  perform
  from public.tasks as t
  where t.id = any (p_task_ids || v_waiting || v_lost)
    and t.status in ('Queued', 'In Progress')
    and t.user_id = any (p_user_ids)
  order by t.id
  for no key update;
end;
$$;

comment on function queue.lock_relatives_of(uuid[], uuid[], boolean) is
  'Locks these tasks and, in the order of their ids, the live tasks of these owners that change when they end: well, or lost (failed, cancelled, deleted). Locks nothing when there are no such tasks.';

revoke all on function queue.lock_relatives_of(uuid[], uuid[], boolean) from public, anon, authenticated, service_role;

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
  -- A default timestamp becomes the queue's own time. One that was given stays, unless a user gave it: an older task
  -- is served first.
  if new.created_at is null or new.created_at = pg_catalog.now() or queue.actor() = 'authenticated' then
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
    perform queue.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
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

-- Moves the derived counters by what one statement changed, owner by owner in the order of their ids. Everything
-- about an owner is done under the lock on the owner's slots, and the order keeps two statements that touch several
-- owners from waiting for each other in a circle.
create or replace function queue.shift_load(p_changes queue.load_change[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_change record;
  v_slots queue.user_slots;
  v_running integer;
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
    v_running := v_change.active_cloud + v_change.active_local;
    update queue.user_slots as s
    set running = s.running + v_running,
      cloud_reason = coalesce(nullif(s.cloud_reason, 'user_at_limit'), case when s.running + v_running >= s.task_limit then 'user_at_limit' end),
      local_reason = coalesce(nullif(s.local_reason, 'user_at_limit'), case when s.running + v_running >= s.task_limit then 'user_at_limit' end)
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
    if v_running <> 0 then
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

-- After an insert statement: dependencies recorded, counters moved, history begun. Per statement, so that a bulk
-- insert moves each counter once.
create or replace function queue.tasks_after_insert()
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
  v_dependants uuid[];
begin
  insert into queue.task_dependencies (task_id, depends_on)
  select n.id, n.dependant_on
  from new_rows as n
  where n.dependant_on is not null
  on conflict do nothing;
  select array_agg(n.id) into v_dependants from new_rows as n where n.dependant_on is not null;

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

  if v_dependants is not null then
    perform queue.refuse_cycles(v_dependants);
  end if;

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

drop trigger if exists tasks_after_insert on public.tasks;
create trigger tasks_after_insert
  after insert on public.tasks
  referencing new table as new_rows
  for each statement execute function queue.tasks_after_insert();

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
  v_complete uuid[];
  v_lost queue.task_end[];
  v_owners uuid[];
  v_now timestamptz;
begin
  v_now := queue.now();

  select
    array_agg(n.id) filter (where n.status = 'Complete'),
    array_agg((n.id, n.user_id, n.status, n.error_message)::queue.task_end) filter (where n.status <> 'Complete'),
    array_agg(distinct n.user_id)
  into v_complete, v_lost, v_owners
  from new_rows as n
    join old_rows as o on o.id = n.id
  where n.status in ('Complete', 'Failed', 'Cancelled')
    and o.status <> n.status;

  -- Other tasks are locked before any owner, like everywhere.
  if v_complete is not null then
    perform queue.lock_relatives_of(v_complete, v_owners, false);
  end if;
  if v_lost is not null then
    perform queue.lock_relatives_of((select array_agg(l.task_id) from unnest(v_lost) as l), v_owners, true);
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

  if v_complete is not null then
    perform queue.record_generations(v_complete);
    perform queue.settle_dependants(v_complete);
  end if;
  if v_lost is not null then
    perform queue.settle_lost(v_lost);
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

-- Tasks that waited for tasks that are Complete now. They are locked before they are looked at, so that of two
-- dependencies that end at the same time the second one sees the first.
create or replace function queue.settle_dependants(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[] := array(
    select d.task_id from queue.task_dependencies as d where d.depends_on = any (p_task_ids)
  );
begin
  if cardinality(v_waiting) = 0 then
    return;
  end if;

  perform
  from public.tasks as t
  where t.id = any (v_waiting)
    and t.status = 'Queued'
  order by t.id
  for no key update;
  perform queue.ask_standing_again(v_waiting);
end;
$$;

comment on function queue.settle_dependants(uuid[]) is
  'Works out again where the tasks stand that depend on these, which are Complete now.';

revoke all on function queue.settle_dependants(uuid[]) from public, anon, authenticated, service_role;

-- What a user may is copied into the user's slots row, so that a claim reads one row and one malformed setting
-- concerns one user. Closing or opening the user's lines happens here too.
create or replace function queue.users_after_write()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may write users
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_slots queue.user_slots := queue.slots_of(new, 0);
begin
  insert into queue.user_slots as s
  values (v_slots.*)
  on conflict (user_id) do update
    set (task_limit, has_credits, cloud_on, local_on, settings_malformed, cloud_reason, local_reason) = (
      select w.task_limit, w.has_credits, w.cloud_on, w.local_on, w.settings_malformed, w.cloud_reason, w.local_reason
      from queue.slots_of(new, s.running) as w
    )
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

drop trigger if exists users_after_write on public.users;
create trigger users_after_write
  after insert or update on public.users
  for each row execute function queue.users_after_write();

-- A changed default limit concerns every user without a limit of their own.
create or replace function queue.settings_after_update()
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
    set (task_limit, cloud_reason, local_reason) = (
      select w.task_limit, w.cloud_reason, w.local_reason from queue.slots_of(u, s.running) as w
    )
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

drop trigger if exists settings_after_update on queue.settings;
create trigger settings_after_update
  after update on queue.settings
  for each row execute function queue.settings_after_update();

-- A deleted task leaves the counters; what depended on it can never run and goes with it.
create or replace function queue.tasks_after_delete()
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
  v_owners uuid[];
  v_lost queue.task_end[];
begin
  select
    array_agg(o.id), array_agg(distinct o.user_id),
    array_agg((o.id, o.user_id, 'deleted', null)::queue.task_end)
  into v_ids, v_owners, v_lost
  from old_rows as o;

  if v_ids is null then
    return null;
  end if;
  perform queue.lock_relatives_of(v_ids, v_owners, true);

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

  perform queue.settle_lost(v_lost);
  return null;
end;
$$;

comment on function queue.tasks_after_delete() is 'Trigger: counters, history and dependants of deleted tasks.';

revoke all on function queue.tasks_after_delete() from public, anon, authenticated, service_role;

drop trigger if exists tasks_after_delete on public.tasks;
create trigger tasks_after_delete
  after delete on public.tasks
  referencing old table as old_rows
  for each statement execute function queue.tasks_after_delete();

-- Ends live tasks because of others: Failed or Cancelled, each with its own words. What the history says of the change
-- that is the cause must not be said of them, so it is put aside for a moment.
create function queue.end_tasks(p_ends queue.task_end[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_actor text := current_setting('queue.actor', true);
  v_reason text := current_setting('queue.reason', true);
  v_details text := current_setting('queue.details', true);
begin
  perform queue.say(queue.actor());
  update public.tasks as t
  set status = e.status,
    error_message = queue.cut_text(e.reason),
    output_location = queue.cut_text(e.reason) -- where deployed debug tools look
  from unnest(p_ends) as e
  where t.id = e.task_id
    and t.status in ('Queued', 'In Progress');
  perform queue.say(v_actor, v_reason, nullif(v_details, '')::jsonb);
end;
$$;

comment on function queue.end_tasks(queue.task_end[]) is
  'Ends these tasks, as far as they are live, in one statement: status and reason as given.';

revoke all on function queue.end_tasks(queue.task_end[]) from public, anon, authenticated, service_role;

-- What waited for a task that failed, was cancelled or deleted can never run. All of it ends at once, however long the
-- chain: Failed below a failed task, else Cancelled. Only queued tasks of the same owner; a task that was in somebody
-- else's way was in nobody's way (queue.dependency_state).
create function queue.settle_lost(p_lost queue.task_end[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_ends queue.task_end[];
begin
  with recursive reached (task_id, via, root) as (
    -- Each task once per way to it and cause: diamonds do not multiply, and a circle ends.
    select l.task_id, null::uuid, l.task_id
    from unnest(p_lost) as l
    where l.user_id is not null
      and exists (select from queue.task_dependencies as d where d.depends_on = l.task_id)
    union
    select w.task_id, r.task_id, r.root
    from reached as r
      cross join lateral (
        select d.task_id
        from queue.task_dependencies as d
          join public.tasks as t on t.id = d.task_id
        where d.depends_on = r.task_id
          and t.status = 'Queued'
          and t.user_id = (select l.user_id from unnest(p_lost) as l where l.task_id = r.root limit 1)
      ) as w
  ),
  -- One cause per task: a failure rather than a cancellation.
  chosen as (
    select distinct on (r.task_id) r.task_id, r.via, r.root, l.status, l.reason
    from reached as r
      join unnest(p_lost) as l on l.task_id = r.root
    order by r.task_id, r.via is not null, l.status = 'Failed' desc, r.root, r.via
  )
  select array_agg((
    c.task_id, null,
    case c.status when 'Failed' then 'Failed' else 'Cancelled' end,
    pg_catalog.format(
      'Cascaded failed from related task %s: %s (%s)', c.root,
      concat_ws(
        ' <- ', c.root,
        -- The last links of a long chain.
        case when b.via <> c.root then '…' end,
        case when b.via is not null then b.task_id end,
        c.task_id
      ),
      concat_ws(': ', c.status, pg_catalog.left(nullif(c.reason, ''), 500))
    )
  )::queue.task_end)
  into v_ends
  from chosen as c
    left join chosen as b on b.task_id = c.via and b.via is not null
  where c.via is not null;

  if v_ends is not null then
    perform queue.end_tasks(v_ends);
  end if;
end;
$$;

comment on function queue.settle_lost(queue.task_end[]) is
  'Ends every queued task that depends, directly or not, on one of these, which were lost: Failed, Cancelled or deleted.';

revoke all on function queue.settle_lost(queue.task_end[]) from public, anon, authenticated, service_role;

-- Whether a task waits, directly or through others of its owner, for another one; one that waits for itself can never
-- run. Asked under the owner's lock, so that of two that close a circle together the second one sees the first.
create function queue.waits_for(p_task_id uuid, p_other_id uuid, p_user_id uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    with recursive above (task_id) as (
      select d.depends_on from queue.task_dependencies as d where d.task_id = p_task_id
      union
      select n.depends_on
      from above as a
        cross join lateral (
          select d.depends_on
          from queue.task_dependencies as d
            join public.tasks as t on t.id = d.task_id
          where d.task_id = a.task_id
            and t.user_id = p_user_id
        ) as n
    )
    select from above as a where a.task_id = p_other_id
  );
end;
$$;

comment on function queue.waits_for(uuid, uuid, uuid) is
  'Whether the first task, of this owner, depends on the second one in any number of steps.';

revoke all on function queue.waits_for(uuid, uuid, uuid) from public, anon, authenticated, service_role;

-- A circle can only be closed by a task that others already wait for. Most new tasks have an id that nobody has heard
-- of; asking that costs one look at an index.
create function queue.refuse_cycles(p_task_ids uuid[])
returns void
language plpgsql
volatile -- must see what was committed while it waited for the owner
security invoker
set search_path = ''
as $$
declare
  v_waited_for uuid[];
  v_suspects uuid[];
  v_circle uuid;
begin
  select array_agg(t.id)
  into v_waited_for
  from unnest(p_task_ids) as t (id)
  where exists (select from queue.task_dependencies as d where d.task_id = t.id)
    and exists (select from queue.task_dependencies as d where d.depends_on = t.id);

  if v_waited_for is null then
    return;
  end if;

  -- A circle leads through a task that was there before and waited for a new one, or only through new ones.
  with recursive suspect (task_id) as (
    select d.depends_on
    from queue.task_dependencies as d
    where d.depends_on = any (v_waited_for)
    except
    select d.depends_on
    from queue.task_dependencies as d
    where d.depends_on = any (v_waited_for)
    group by d.depends_on
    having bool_and(d.task_id = any (p_task_ids))
  ),
  -- A long chain that comes as one statement: its first task waits for none of the others, and each further one only
  -- for one that is free already.
  free (task_id) as (
    select w.id
    from unnest(v_waited_for) as w (id)
    where not exists (
      select from queue.task_dependencies as d where d.task_id = w.id and d.depends_on = any (v_waited_for)
    )
    union
    select n.task_id
    from free as f
      cross join lateral (
        select d.task_id
        from queue.task_dependencies as d
        where d.depends_on = f.task_id
          and not exists (
            select from queue.task_dependencies as o where o.task_id = d.task_id and o.depends_on <> f.task_id
          )
      ) as n
  )
  select array_agg(s.task_id)
  into v_suspects
  from (
    (select w.id as task_id from unnest(v_waited_for) as w (id) except select f.task_id from free as f)
    union
    select s.task_id from suspect as s
  ) as s;

  select t.id
  into v_circle
  from public.tasks as t
  where t.id = any (v_suspects)
    and queue.waits_for(t.id, t.id, t.user_id)
  limit 1;

  if v_circle is not null then
    perform queue.refuse(
      400, 'DEPENDENCY_CYCLE',
      pg_catalog.format('Task %s would wait for itself, through the tasks it depends on', v_circle),
      'Depend only on tasks that do not wait for this one'
    );
  end if;
end;
$$;

comment on function queue.refuse_cycles(uuid[]) is
  'Raises 400 DEPENDENCY_CYCLE when one of these tasks depends on itself. Call it under the owners'' locks.';

revoke all on function queue.refuse_cycles(uuid[]) from public, anon, authenticated, service_role;

-- Further dependencies of a task that is still queued; the first one stays in dependant_on. Meant for the transaction
-- that inserts the task: nobody can claim it before that ends.
create function queue.depend_on(p_task_id uuid, p_depends_on uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  if p_task_id = any (p_depends_on) then
    perform queue.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  end if;

  select t.* into v_task from public.tasks as t where t.id = p_task_id for no key update;
  if v_task.status is distinct from 'Queued' then
    perform queue.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s; only a Queued task can be given dependencies', p_task_id, coalesce(v_task.status, 'missing'))
    );
  end if;

  -- Under the owner's lock no dependency ends unseen, and no circle is closed from two sides.
  perform from queue.user_slots as s where s.user_id = v_task.user_id for no key update;

  insert into queue.task_dependencies (task_id, depends_on)
  select p_task_id, d.id
  from unnest(p_depends_on) as d (id)
  where d.id is not null
  on conflict do nothing;
  perform queue.refuse_cycles(array[p_task_id]);

  update public.tasks as t
  set standing = null,
    dependant_on = coalesce(
      t.dependant_on,
      (select d.id from unnest(p_depends_on) with ordinality as d (id, place) where d.id is not null order by d.place limit 1)
    )
  where t.id = p_task_id;
end;
$$;

comment on function queue.depend_on(uuid, uuid[]) is
  'Makes a queued task wait for these tasks, too. Raises 400 DEPENDENCY_CYCLE, or 409 ILLEGAL_TRANSITION when the task is not Queued.';

revoke all on function queue.depend_on(uuid, uuid[]) from public, anon, authenticated, service_role;

-- What a function locks before it ends a task: the task and every other task that this end may change, in one
-- statement and in the order of their ids. A task without relatives costs two looks at an index.
create function queue.lock_relatives(p_task_id uuid, p_status text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_user_id uuid;
begin
  select t.user_id into v_user_id from public.tasks as t where t.id = p_task_id;
  if v_user_id is not null then
    perform queue.lock_relatives_of(array[p_task_id], array[v_user_id], p_status is distinct from 'Complete');
  end if;
end;
$$;

comment on function queue.lock_relatives(uuid, text) is
  'Locks a task and its live relatives, in the order of their ids, before it ends with this status (null = any). Call it before anything else is locked.';

revoke all on function queue.lock_relatives(uuid, text) from public, anon, authenticated, service_role;

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

-- Users are bound by rules that the fleet and operators are not: in person, or by a function in their name.
create function queue.acts_for_a_user()
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.actor() ~ '^(authenticated$|user:|token:)';
end;
$$;

comment on function queue.acts_for_a_user() is
  'Whether a user is behind the current change, signed in or by a personal token, and not the service key or an operator.';

revoke all on function queue.acts_for_a_user() from public, anon, authenticated, service_role;

-- Clients have named a task's orchestrator in several ways. Texts that are no UUID (people's own ids) name none.
create function queue.named_parents(p_params jsonb)
returns uuid[]
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return (
    select array_agg((p.holder ->> k.key)::uuid order by p.place, k.place)
    from (values (1, p_params), (2, p_params -> 'orchestrator_details')) as p (place, holder)
      cross join (
        values (1, 'orchestrator_task_id_ref'), (2, 'orchestrator_task_id'), (3, 'parent_orchestrator_task_id'), (4, 'orchestrator_id')
      ) as k (place, key)
    where p.holder ->> k.key ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  );
end;
$$;

comment on function queue.named_parents(jsonb) is
  'The tasks that params name as the orchestrator, the likeliest first; null for none.';

revoke all on function queue.named_parents(jsonb) from public, anon, authenticated, service_role;

-- How much a user has in the queue, added up from the derived counters: a few rows, however many tasks there are.
-- Exact under the lock on the owner's slots.
create function queue.queued_count(p_user_id uuid)
returns bigint
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(
    (
      select sum(l.ready_cloud + l.ready_cloud_orchestration + l.ready_local + l.ready_local_orchestration)
      from queue.user_lines as l
      where l.user_id = p_user_id
    ), 0
  ) + coalesce(
    (
      select sum(b.task_count)
      from queue.blocked_tasks as b
      where b.user_id = p_user_id
    ), 0
  );
end;
$$;

comment on function queue.queued_count(uuid) is 'How many tasks of the user are Queued, whatever they wait for.';

revoke all on function queue.queued_count(uuid) from public, anon, authenticated, service_role;

-- Whether a task is part of work that is under way. Its orchestrator was counted when it was enqueued; to refuse the
-- parts would fail the whole.
create function queue.has_started_orchestrator(p_task public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select
    from public.tasks as t
    where t.id = any (queue.named_parents(p_task.params))
      and t.user_id = p_task.user_id
      and not t.takes_slot
      and (t.status = 'In Progress' or (t.status = 'Queued' and t.claimed_at is not null))
  );
end;
$$;

comment on function queue.has_started_orchestrator(public.tasks) is
  'Whether params name an orchestrator of the same owner that was started and has not ended.';

revoke all on function queue.has_started_orchestrator(public.tasks) from public, anon, authenticated, service_role;

-- After tasks_after_insert (triggers fire in the order of their names), which has taken the owner's lock and moved
-- the counters: nobody else can add to this owner's queue between the count and the commit.
create function queue.tasks_keep_to_the_bound()
returns trigger
language plpgsql
security definer -- reads settings and counters on behalf of any caller who may insert
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_bound integer;
begin
  if not queue.acts_for_a_user() then
    return null;
  end if;

  select s.max_queued_per_user into v_bound from queue.settings as s;

  if v_bound is not null and exists (
    select
    from (select distinct n.user_id from new_rows as n) as o
    where queue.queued_count(o.user_id) > v_bound
      and exists (
        select
        from new_rows as n
        where n.user_id = o.user_id
          and not queue.has_started_orchestrator(n)
      )
  ) then
    perform queue.refuse(
      429, 'QUEUE_FULL',
      pg_catalog.format('A user has at most %s tasks queued, and with this there would be more', v_bound),
      'Wait until some have run, or cancel some'
    );
  end if;
  return null;
end;
$$;

comment on function queue.tasks_keep_to_the_bound() is
  'Trigger: refuses what a user enqueues beyond queue.settings.max_queued_per_user with 429 QUEUE_FULL.';

revoke all on function queue.tasks_keep_to_the_bound() from public, anon, authenticated, service_role;

create trigger tasks_after_insert_keep_to_the_bound
  after insert on public.tasks
  referencing new table as new_rows
  for each statement execute function queue.tasks_keep_to_the_bound();
