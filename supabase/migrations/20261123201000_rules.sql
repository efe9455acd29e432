-- What: rules of endings, families and recovery.
-- Why: whatever the way in, a task changes only as the state machine allows, and counters, history and records follow.
-- Back out: apply the versions of these functions that the migrations before this one hold.

set lock_timeout = '900ms';
select queue.lock_tables('public.tasks', 'public.users', 'public.task_types', 'public.workers', 'queue.settings');

drop function queue.blocked_by_reason(queue.caller, text, queue.user_load_row[]);
drop function queue.count_warnings(text, queue.user_load_row[], timestamptz);
drop function queue.fail_task(queue.caller, public.tasks, text, text, boolean);
drop function queue.lock_dependants(uuid[]);
drop function queue.lock_task_for(queue.caller, uuid);
drop function queue.next_tasks(queue.caller, text, integer, queue.user_load_row[]);
drop function queue.overtaken_by_time();
drop function queue.refuse_endless_times(public.tasks);
drop function queue.user_load(queue.caller, text);

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

-- Opens and closes lines after something about their owners has changed. The caller holds the owners' locks.
create or replace function queue.refresh_lines(p_user_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update queue.user_lines as l
  set running = s.running,
    is_open = s.cloud_reason is null and l.ready_cloud + l.ready_cloud_orchestration > 0,
    task_limit = s.task_limit,
    closed_by = nullif(s.cloud_reason, 'user_at_limit')
  from queue.user_slots as s
  where s.user_id = any (p_user_ids)
    and l.user_id = s.user_id
    and (
      l.running <> s.running
      or l.is_open <> (s.cloud_reason is null and l.ready_cloud + l.ready_cloud_orchestration > 0)
      or l.task_limit <> s.task_limit
      or l.closed_by is distinct from nullif(s.cloud_reason, 'user_at_limit')
    );
end;
$$;

comment on function queue.refresh_lines(uuid[]) is
  'Brings what these users'' lines copy from their slots, and is_open, in step with them. Call it under the users'' locks.';

revoke all on function queue.refresh_lines(uuid[]) from public, anon, authenticated, service_role;

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
    nullif(current_setting('queue.reason', true), ''),
    -- Orchestrators give each reset of a task the same reason; a trigger cannot see that it was said again.
    case when v_is_direct and old.status = 'In Progress' and new.status = 'Queued' then nullif(new.error_message, '') end
  );
  v_is_forgiven boolean;
begin
  if not queue.is_legal_transition(old, new) then
    return null;
  end if;

  perform queue.refuse_impossible_values(new);

  -- Only a claim or a requeue moves the count of starts; what a client read and wrote back does not. Only the queue
  -- itself takes a start off again: one that never reached its worker, or that its holder hands back.
  v_is_forgiven := old.status = 'In Progress' and new.status = 'Queued' and new.attempts < old.attempts
    and current_setting('queue.forgives_starts', true) = 'on';
  if not v_is_new_start and new.requeue_count = old.requeue_count and not v_is_forgiven then
    new.attempts := old.attempts;
  end if;

  if old.status = 'In Progress' and new.status = 'Queued' and not v_is_forgiven then
    -- Rows that were started before starts were counted.
    new.attempts := greatest(new.attempts, 1);
    if new.attempts >= queue.starts_allowed(new) then
      new.status := 'Failed';
      v_said := pg_catalog.format(
        'Given up after %s starts; the last one ended with: %s', new.attempts, coalesce(v_said, 'no reason given')
      );
      new.worker_id := old.worker_id;
    end if;
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
  v_children queue.subtasks[];
  v_orchestrators uuid[];
begin
  insert into queue.task_dependencies (task_id, depends_on)
  select n.id, n.dependant_on
  from new_rows as n
  where n.dependant_on is not null
  on conflict do nothing;
  select array_agg(n.id) into v_dependants from new_rows as n where n.dependant_on is not null;

  -- Other tasks are locked before any owner, like everywhere.
  select array_agg(c.child)
  into v_children
  from (
    select queue.subtask_of(n.id, n.user_id, n.task_type, n.params) as child
    from new_rows as n
    where n.params ? 'orchestrator_task_id_ref'
  ) as c
  where (c.child).task_id is not null;
  if v_children is not null then
    perform queue.lock_families(v_children);
  end if;

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

  -- An orchestrator may come after its children.
  select array_agg(n.id)
  into v_orchestrators
  from new_rows as n
  where not n.takes_slot or n.task_type like '%orchestrat%';
  if v_children is not null or v_orchestrators is not null then
    perform queue.join_families(v_orchestrators, v_children);
  end if;

  return null;
end;
$$;

comment on function queue.tasks_after_insert() is 'Trigger: dependencies, families, counters and history of newly inserted tasks.';

revoke all on function queue.tasks_after_insert() from public, anon, authenticated, service_role;

drop trigger if exists tasks_after_insert on public.tasks;
create trigger tasks_after_insert
  after insert on public.tasks
  referencing new table as new_rows
  for each statement execute function queue.tasks_after_insert();

-- After an update statement: counters, history, result records, dependants and families follow, in the same transaction and
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
  v_moved uuid[];
  v_from text[];
  v_to text[];
  v_now timestamptz;
begin
  v_now := queue.now();

  select
    array_agg(n.id) filter (where n.status = 'Complete'),
    array_agg((n.id, n.user_id, n.status, n.error_message)::queue.task_end) filter (where n.status in ('Failed', 'Cancelled')),
    array_agg(distinct n.user_id),
    array_agg(n.id), array_agg(o.status), array_agg(n.status)
  into v_complete, v_lost, v_owners, v_moved, v_from, v_to
  from new_rows as n
    join old_rows as o on o.id = n.id
  where n.status <> o.status
    -- Ended, or put back after its end.
    and (n.status not in ('Queued', 'In Progress') or o.status not in ('Queued', 'In Progress'));

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
    n.id, n.user_id, v_now, o.status, n.status, coalesce(n.worker_id, o.worker_id),
    greatest(n.attempts, o.attempts), -- a start that is taken off again is still told by its number
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
        -- Said again in the same words, which looks like not said.
        when o.status = 'In Progress' and coalesce(current_setting('queue.actor', true), '') = '' then n.error_message
      end
    ),
    case
      when o.status = 'In Progress' and n.status in ('Queued', 'Failed') then
        coalesce(nullif(current_setting('queue.details', true), '')::jsonb, '{}')
          || jsonb_build_object('signs', queue.signs_of_life(o.id, o.worker_id, o.claimed_at, o.reported_at))
      else nullif(current_setting('queue.details', true), '')::jsonb
    end
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
  -- The family first: its orchestrator names the child that failed, not one that went with it.
  if v_moved is not null then
    perform queue.settle_families(v_moved, v_from, v_to);
  end if;
  if v_lost is not null then
    perform queue.settle_lost(v_lost);
  end if;

  return null;
end;
$$;

comment on function queue.tasks_after_update() is
  'Trigger: counters, history, result records, dependants and families of changed tasks.';

revoke all on function queue.tasks_after_update() from public, anon, authenticated, service_role;

drop trigger if exists tasks_after_update on public.tasks;
create trigger tasks_after_update
  after update on public.tasks
  referencing old table as old_rows new table as new_rows
  for each statement
  -- A claim keeps the counters and the history itself (queue.claim_next_task, queue.start_task).
  when (current_setting('queue.counts_itself', true) is distinct from 'on')
  execute function queue.tasks_after_update();

-- The result records of tasks that were just completed. Called wherever a task becomes Complete, so there is no way
-- to complete a task of a type that creates generations without one. A task that was put back and completed again
-- replaces its record: task and record never name different results.
create or replace function queue.record_generations(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into public.generations (
    task_id, project_id, user_id, type, location, thumbnail_url, params, created_at,
    parent_generation_id, child_order, is_child, based_on
  )
  select
    t.id, t.project_id, t.user_id, y.content_type, t.output_location, t.thumbnail_url, t.params,
    t.generation_processed_at,
    l.parent_generation_id, l.child_order, l.parent_generation_id is not null, l.based_on
  from public.tasks as t
    left join public.task_types as y on y.name = t.task_type
    cross join lateral queue.generation_links(t.id, t.user_id, t.params) as l
  where t.id = any (p_task_ids)
    and t.status = 'Complete'
    and t.generation_created
    -- A child that is Complete because another one is shows nothing of its own.
    and not exists (select from queue.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
  on conflict (task_id) do update
    set location = excluded.location,
      thumbnail_url = excluded.thumbnail_url,
      params = excluded.params;
end;
$$;

comment on function queue.record_generations(uuid[]) is
  'Records one generation for each of these tasks that is Complete and of a type that creates them.';

revoke all on function queue.record_generations(uuid[]) from public, anon, authenticated, service_role;

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
  v_statuses text[];
  v_owners uuid[];
  v_lost queue.task_end[];
begin
  select
    array_agg(o.id), array_agg(o.status), array_agg(distinct o.user_id),
    array_agg((o.id, o.user_id, 'deleted', null)::queue.task_end)
  into v_ids, v_statuses, v_owners, v_lost
  from old_rows as o;

  if v_ids is null then
    return null;
  end if;
  perform queue.lock_relatives_of(
    -- And the children that a deleted one had replaced.
    v_ids || array(select s.task_id from queue.subtasks as s where s.replaced_by = any (v_ids)), v_owners, true
  );

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

  -- Also where nothing is counted: families are changed under the owner's lock.
  perform from queue.user_slots as s where s.user_id = any (v_owners) order by s.user_id for no key update;

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select o.id, o.user_id, v_now, o.status, o.status, o.worker_id, o.attempts, v_actor, 'deleted'
  from old_rows as o;

  perform queue.leave_families(v_ids, v_statuses);
  perform queue.settle_lost(v_lost);
  return null;
end;
$$;

comment on function queue.tasks_after_delete() is 'Trigger: counters, history, families and dependants of deleted tasks.';

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
  with recursive reached (task_id, via, root, user_id) as (
    -- Each task once per way to it and cause: diamonds do not multiply, and a circle ends.
    select l.task_id, null::uuid, l.task_id, l.user_id
    from unnest(p_lost) as l
    where l.user_id is not null
      and exists (select from queue.task_dependencies as d where d.depends_on = l.task_id)
    union
    select d.task_id, r.task_id, r.root, r.user_id
    from reached as r
      join queue.task_dependencies as d on d.depends_on = r.task_id
    -- One task by its key; as a join, a plan from when the queue was small would go through all tasks of the owner.
    where (select t.status = 'Queued' and t.user_id = r.user_id from public.tasks as t where t.id = d.task_id)
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
      select d.depends_on
      from above as a
        join queue.task_dependencies as d on d.task_id = a.task_id
      -- One task by its key; as a join, a plan from when the queue was small would go through all tasks of the owner.
      where (select t.user_id = p_user_id from public.tasks as t where t.id = d.task_id)
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
    perform queue.lock_relatives_of(
      -- The children of a cancelled orchestrator go with it.
      p_task_id || case when p_status is null or p_status = 'Cancelled' then
        array(select s.task_id from queue.subtasks as s where s.orchestrator_id = p_task_id)
      end,
      array[v_user_id], p_status is distinct from 'Complete'
    );
  end if;
end;
$$;

comment on function queue.lock_relatives(uuid, text) is
  'Locks a task and its live relatives, in the order of their ids, before it ends with this status (null = any). Call it before anything else is locked.';

revoke all on function queue.lock_relatives(uuid, text) from public, anon, authenticated, service_role;

-- What a task is a part of, by its params. A stitch puts everything together, so there is one of it; joins come before
-- segments because the last join holds all clips.
create function queue.subtask_of(p_task_id uuid, p_user_id uuid, p_task_type text, p_params jsonb)
returns queue.subtasks
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_orchestrator_id uuid := queue.parent_task_id(p_params);
  v_join text := substring(p_params ->> 'join_index' from '^[0-9]{1,9}$');
  v_segment text := substring(p_params ->> 'segment_index' from '^[0-9]{1,9}$');
  v_subtask queue.subtasks;
begin
  if v_orchestrator_id is null or v_orchestrator_id = p_task_id or p_user_id is null then
    return null;
  end if;

  v_subtask.task_id := p_task_id;
  v_subtask.orchestrator_id := v_orchestrator_id;
  v_subtask.user_id := p_user_id;
  v_subtask.task_type := p_task_type;
  v_subtask.final_rank := case
    when p_task_type like '%\_stitch' then 3
    when v_join is not null then 2
    when v_segment is not null and p_task_type like '%segment%' then 1
    else 0
  end;
  v_subtask.part_index := case when v_subtask.final_rank = 3 then 0 else coalesce(v_join, v_segment)::integer end;
  return v_subtask;
end;
$$;

comment on function queue.subtask_of(uuid, uuid, text, jsonb) is
  'The row of queue.subtasks that follows from a task''s params; null when they name no orchestrator.';

revoke all on function queue.subtask_of(uuid, uuid, text, jsonb) from public, anon, authenticated, service_role;

-- Whether an orchestrator has enqueued all of its children: it said so in its present start, or as many parts are there
-- as its params announce. Before that nobody judges it by the children it has.
create function queue.is_enqueued(p_family queue.orchestrations, p_task public.tasks, p_is_quiet boolean default false)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_details jsonb := p_task.params -> 'orchestrator_details';
  v_segments text := substring(v_details ->> 'num_new_segments_to_generate' from '^[0-9]{1,9}$');
begin
  if p_family.open_count + p_family.complete_count + p_family.failed_count + p_family.cancelled_count = 0 then
    return false;
  elsif p_family.enqueued_attempt = p_task.attempts then
    return true;
  elsif v_segments is not null then
    -- Segments are stitched in the end, most of the time.
    return p_family.segment_count >= v_segments::integer and (p_family.stitch_count > 0 or p_is_quiet);
  elsif jsonb_typeof(v_details -> 'clip_list') = 'array' then
    return p_family.join_count >= greatest(jsonb_array_length(v_details -> 'clip_list') - 1, 1);
  end if;
  return false;
end;
$$;

comment on function queue.is_enqueued(queue.orchestrations, public.tasks, boolean) is
  'Whether this orchestrator has enqueued everything: reported in its present start, or as many segments and a stitch (not needed when the family is quiet), or joins, as its params announce.';

revoke all on function queue.is_enqueued(queue.orchestrations, public.tasks, boolean) from public, anon, authenticated, service_role;

-- An orchestrator that has enqueued everything only waits for its children: no death, silence or timeout of the worker
-- that ran it concerns it.
create function queue.needs_no_worker(p_task public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_family queue.orchestrations;
begin
  select o.* into v_family from queue.orchestrations as o where o.orchestrator_id = p_task.id;
  return v_family.orchestrator_id is not null and queue.is_enqueued(v_family, p_task);
end;
$$;

comment on function queue.needs_no_worker(public.tasks) is
  'Whether this task is an orchestrator that has enqueued all of its children.';

revoke all on function queue.needs_no_worker(public.tasks) from public, anon, authenticated, service_role;

-- Ends an orchestrator as its children say, once it has enqueued all of them: Failed as soon as one has failed for
-- good; when all have ended, Cancelled if one was, else Complete with what the final child made. The caller holds the
-- locks on the orchestrator and on its owner.
create function queue.judge_orchestration(p_orchestrator_id uuid, p_is_quiet boolean default false)
returns text
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_family queue.orchestrations;
  v_task public.tasks;
  v_verdict text;
  v_final_id uuid;
  v_child public.tasks;
begin
  select o.* into v_family from queue.orchestrations as o where o.orchestrator_id = p_orchestrator_id;
  v_verdict := case
    when v_family.ended_as is not null then null
    when v_family.failed_count > 0 then 'Failed'
    when v_family.open_count > 0 then null
    when v_family.cancelled_count > 0 then 'Cancelled'
    when v_family.complete_count > 0 then 'Complete'
  end;
  if v_verdict is null then
    return null;
  end if;

  select t.* into v_task from public.tasks as t where t.id = p_orchestrator_id;
  -- One that was put back waits for a worker to go on; only when nothing is left to do it is not asked to.
  if not (v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null and v_verdict = 'Complete'))
    or not queue.is_enqueued(v_family, v_task, p_is_quiet) then
    return null;
  end if;

  if v_verdict = 'Complete' then
    -- The first entry of an index, however many children there are.
    select s.task_id
    into v_final_id
    from queue.subtasks as s
    where s.orchestrator_id = p_orchestrator_id
      and s.user_id = v_family.user_id
      and s.replaced_by is null
    order by s.final_rank desc, s.part_index desc nulls last, s.seq desc
    limit 1;
    select t.* into v_child from public.tasks as t where t.id = v_final_id;
    perform queue.complete_for(v_task.id, v_child, 'all of its children are complete');
    return v_verdict;
  end if;

  -- The child that is the cause, rather than one that went with it.
  select t.*
  into v_child
  from queue.subtasks as s
    join public.tasks as t on t.id = s.task_id
  where s.orchestrator_id = p_orchestrator_id
    and s.user_id = v_family.user_id
    and s.replaced_by is null
    and t.status = v_verdict
  order by t.error_message like 'Cascaded failed from%', s.seq
  limit 1;
  perform queue.end_tasks(array[(
    v_task.id, v_task.user_id, v_verdict,
    pg_catalog.format(
      'Cascaded failed from related task %s: %s', v_child.id,
      concat_ws(': ', v_child.task_type || ' ' || v_child.status, pg_catalog.left(nullif(v_child.error_message, ''), 500))
    )
  )::queue.task_end]);
  return v_verdict;
end;
$$;

comment on function queue.judge_orchestration(uuid, boolean) is
  'Ends this orchestrator if its children say so, and returns how; null = not yet. Call it under the locks of the task and its owner.';

revoke all on function queue.judge_orchestration(uuid, boolean) from public, anon, authenticated, service_role;

-- Completes a task with what another one made.
create function queue.complete_for(p_task_id uuid, p_source public.tasks, p_reason text)
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
  perform queue.say(queue.actor(), p_reason, jsonb_build_object('result_of', p_source.id));
  update public.tasks as t
  set status = 'Complete',
    output_location = p_source.output_location,
    thumbnail_url = coalesce(p_source.thumbnail_url, t.thumbnail_url),
    error_message = null
  where t.id = p_task_id;
  perform queue.say(v_actor, v_reason, nullif(v_details, '')::jsonb);
end;
$$;

comment on function queue.complete_for(uuid, public.tasks, text) is
  'Completes a task with the output and thumbnail of another one, and says why in the history.';

revoke all on function queue.complete_for(uuid, public.tasks, text) from public, anon, authenticated, service_role;

-- What new children may change, locked before any owner: their orchestrators, and the children that they replace, with
-- what waits for those.
create function queue.lock_families(p_children queue.subtasks[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_orchestrators uuid[];
  v_owners uuid[];
  v_replaced uuid[];
begin
  select array_agg(distinct c.orchestrator_id), array_agg(distinct c.user_id)
  into v_orchestrators, v_owners
  from unnest(p_children) as c;

  select array_agg(o.task_id)
  into v_replaced
  from unnest(p_children) as c
    cross join lateral (
      select s.task_id
      from queue.subtasks as s
      where s.orchestrator_id = c.orchestrator_id
        and s.user_id = c.user_id
        and s.final_rank = c.final_rank
        and s.part_index = c.part_index
        and s.task_type = c.task_type
        and s.replaced_by is null
    ) as o;

  if v_replaced is not null then
    perform queue.lock_relatives_of(v_replaced || v_orchestrators, v_owners, true);
    return;
  end if;

  perform
  from public.tasks as t
  where t.id = any (v_orchestrators)
    and t.user_id = any (v_owners)
    and t.status in ('Queued', 'In Progress')
  order by t.id
  for no key update;
end;
$$;

comment on function queue.lock_families(queue.subtasks[]) is
  'Locks, in the order of their ids, the live tasks that the arrival of these children may change.';

revoke all on function queue.lock_families(queue.subtasks[]) from public, anon, authenticated, service_role;

-- Queued tasks that waited for one task wait for another one from now on.
create function queue.move_dependants(p_from uuid, p_to uuid, p_user_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[];
begin
  select array_agg(t.id)
  into v_waiting
  from public.tasks as t
  where t.id = any (array(select d.task_id from queue.task_dependencies as d where d.depends_on = p_from))
    and t.status = 'Queued'
    and t.user_id = p_user_id
    and t.id <> p_to;

  if v_waiting is null then
    return;
  end if;

  delete from queue.task_dependencies as d where d.depends_on = p_from and d.task_id = any (v_waiting);
  insert into queue.task_dependencies (task_id, depends_on)
  select w.id, p_to
  from unnest(v_waiting) as w (id)
  on conflict do nothing;

  update public.tasks as t
  set dependant_on = case when t.dependant_on = p_from then p_to else t.dependant_on end,
    standing = null
  where t.id = any (v_waiting)
    and t.status = 'Queued';
end;
$$;

comment on function queue.move_dependants(uuid, uuid, uuid) is
  'Makes this owner''s queued tasks that wait for the first task wait for the second one instead.';

revoke all on function queue.move_dependants(uuid, uuid, uuid) from public, anon, authenticated, service_role;

-- An orchestrator that runs again enqueues its children again, under new ids. What is done stays done: then the new
-- child is Complete at once, with the same output and no result record of its own. What is not done is cancelled, and
-- whoever waited for it waits for the new child.
create function queue.replace_part(p_task_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_new queue.subtasks;
  v_old queue.subtasks;
  v_old_task public.tasks;
begin
  select s.* into v_new from queue.subtasks as s where s.task_id = p_task_id;

  select s.*
  into v_old
  from queue.subtasks as s
  where s.orchestrator_id = v_new.orchestrator_id
    and s.final_rank = v_new.final_rank
    and s.part_index = v_new.part_index
    and s.task_type = v_new.task_type
    and s.user_id = v_new.user_id
    and s.replaced_by is null
    and s.seq < v_new.seq
  order by s.seq desc
  limit 1;

  if v_old.task_id is null then
    return;
  end if;

  select t.* into v_old_task from public.tasks as t where t.id = v_old.task_id;
  -- Who waits for the old one does not stand in for it.
  if v_old_task.id is null or queue.waits_for(v_new.task_id, v_old.task_id, v_new.user_id) then
    return;
  end if;

  if v_old_task.status = 'Complete' then
    update queue.subtasks as s set replaced_by = v_old.task_id where s.task_id = v_new.task_id;
    perform queue.count_child(v_new, 'Queued', -1);
    -- Proof of a start, which a result needs.
    update public.tasks as t set claimed_at = queue.now() where t.id = v_new.task_id;
    perform queue.complete_for(
      v_new.task_id, v_old_task, pg_catalog.format('the same part is Complete already, as task %s', v_old.task_id)
    );
    update public.tasks as t set generation_created = false where t.id = v_new.task_id;
    return;
  end if;

  update queue.subtasks as s
  set replaced_by = v_new.task_id
  where s.task_id = v_old.task_id or s.replaced_by = v_old.task_id;
  perform queue.count_child(v_old, v_old_task.status, -1);
  perform queue.move_dependants(v_old.task_id, v_new.task_id, v_new.user_id);
  perform queue.end_tasks(array[(
    v_old.task_id, v_old.user_id, 'Cancelled', pg_catalog.format('replaced by %s', v_new.task_id)
  )::queue.task_end]);
end;
$$;

comment on function queue.replace_part(uuid) is
  'Lets a new child take the place of the one that is the same part under another id, or the place beside it when that is Complete. Call it under the locks of both and of their owner.';

revoke all on function queue.replace_part(uuid) from public, anon, authenticated, service_role;

-- One child more or less among those that count.
create function queue.count_child(p_child queue.subtasks, p_status text, p_delta integer)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update queue.orchestrations as o
  set open_count = o.open_count + case when p_status in ('Queued', 'In Progress') then p_delta else 0 end,
    complete_count = o.complete_count + case when p_status = 'Complete' then p_delta else 0 end,
    failed_count = o.failed_count + case when p_status = 'Failed' then p_delta else 0 end,
    cancelled_count = o.cancelled_count + case when p_status = 'Cancelled' then p_delta else 0 end,
    segment_count = o.segment_count + case when p_child.final_rank = 1 then p_delta else 0 end,
    join_count = o.join_count + case when p_child.final_rank = 2 then p_delta else 0 end,
    stitch_count = o.stitch_count + case when p_child.final_rank = 3 then p_delta else 0 end,
    changed_at = queue.now()
  where o.orchestrator_id = p_child.orchestrator_id
    and o.user_id = p_child.user_id;
end;
$$;

comment on function queue.count_child(queue.subtasks, text, integer) is
  'Adds p_delta to the numbers of an orchestrator''s children in this status and of this kind.';

revoke all on function queue.count_child(queue.subtasks, text, integer) from public, anon, authenticated, service_role;

-- New tasks find their families: as children, and as orchestrators whose children came first. The caller holds the
-- owners' locks and those of queue.lock_families.
create function queue.join_families(p_task_ids uuid[], p_children queue.subtasks[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_children uuid[];
  v_orchestrators uuid[];
  v_missing uuid[];
  v_child_id uuid;
  v_orchestrator_id uuid;
  v_orphaned queue.task_end[];
begin
  -- In the order of their parts; who came first is not known within one statement.
  insert into queue.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
  select c.task_id, c.orchestrator_id, c.user_id, c.task_type, c.final_rank, c.part_index
  from unnest(p_children) as c
  order by c.final_rank, c.part_index, c.task_id
  on conflict do nothing;

  select array_agg(c.task_id), array_agg(distinct c.orchestrator_id)
  into v_children, v_orchestrators
  from unnest(p_children) as c;

  update queue.orchestrations as o
  set open_count = o.open_count + n.children,
    segment_count = o.segment_count + n.segments,
    join_count = o.join_count + n.joins,
    stitch_count = o.stitch_count + n.stitches,
    changed_at = queue.now()
  from (
    select
      c.orchestrator_id, c.user_id,
      count(*) as children,
      count(*) filter (where c.final_rank = 1) as segments,
      count(*) filter (where c.final_rank = 2) as joins,
      count(*) filter (where c.final_rank = 3) as stitches
    from unnest(p_children) as c
    group by 1, 2
  ) as n
  where o.orchestrator_id = n.orchestrator_id
    and o.user_id = n.user_id;

  -- A family's first children, or an orchestrator that comes after them.
  select array_agg(m.id)
  into v_missing
  from (
    select c.id from unnest(v_orchestrators) as c (id)
    union
    select n.id
    from unnest(p_task_ids) as n (id)
    where exists (select from queue.subtasks as s where s.orchestrator_id = n.id)
  ) as m
  where not exists (select from queue.orchestrations as o where o.orchestrator_id = m.id);
  if v_missing is not null then
    insert into queue.orchestrations
    select r.* from queue.recount_families(v_missing) as r
    on conflict do nothing;
  end if;

  for v_child_id in
    select n.task_id
    from queue.subtasks as n
    where n.task_id = any (v_children)
      and exists (select from queue.orchestrations as o where o.orchestrator_id = n.orchestrator_id and o.user_id = n.user_id)
      and exists (
        select
        from queue.subtasks as s
        where s.orchestrator_id = n.orchestrator_id
          and s.user_id = n.user_id
          and s.final_rank = n.final_rank
          and s.part_index = n.part_index
          and s.replaced_by is null
          and s.seq < n.seq
      )
    order by n.seq
  loop
    perform queue.replace_part(v_child_id);
  end loop;

  -- Too late for a cancelled orchestrator.
  select array_agg((
    s.task_id, s.user_id, 'Cancelled',
    pg_catalog.format('Cascaded failed from related task %s: it was Cancelled before this child came', s.orchestrator_id)
  )::queue.task_end)
  into v_orphaned
  from queue.subtasks as s
    join queue.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
  where s.task_id = any (v_children)
    and s.replaced_by is null
    and o.ended_as = 'Cancelled';
  if v_orphaned is not null then
    perform queue.end_tasks(v_orphaned);
  end if;

  for v_orchestrator_id in select o.id from unnest(v_orchestrators || v_missing) as o (id) order by o.id loop
    perform queue.judge_orchestration(v_orchestrator_id);
  end loop;
end;
$$;

comment on function queue.join_families(uuid[], queue.subtasks[]) is
  'Records these new children, and lets them replace earlier ones; counts the families of new orchestrators.';

revoke all on function queue.join_families(uuid[], queue.subtasks[]) from public, anon, authenticated, service_role;

-- How the children of these orchestrators stand, counted from the tasks. A family whose orchestrator is missing, or
-- belongs to somebody else, is none.
create function queue.recount_families(p_orchestrator_ids uuid[])
returns setof queue.orchestrations
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select
    o.id, o.user_id,
    n.open_count, n.complete_count, n.failed_count, n.cancelled_count, n.segment_count, n.join_count, n.stitch_count,
    null::integer,
    case when o.status in ('Complete', 'Failed', 'Cancelled') then o.status end,
    queue.now()
  from public.tasks as o
    cross join lateral (
      select
        (count(*) filter (where t.status in ('Queued', 'In Progress')))::integer as open_count,
        (count(*) filter (where t.status = 'Complete'))::integer as complete_count,
        (count(*) filter (where t.status = 'Failed'))::integer as failed_count,
        (count(*) filter (where t.status = 'Cancelled'))::integer as cancelled_count,
        (count(*) filter (where s.final_rank = 1))::integer as segment_count,
        (count(*) filter (where s.final_rank = 2))::integer as join_count,
        (count(*) filter (where s.final_rank = 3))::integer as stitch_count
      from queue.subtasks as s
        join public.tasks as t on t.id = s.task_id
      where s.orchestrator_id = o.id
        and s.user_id = o.user_id
        and s.replaced_by is null
    ) as n
  where o.id = any (p_orchestrator_ids)
    and exists (select from queue.subtasks as s where s.orchestrator_id = o.id and s.user_id = o.user_id);
end;
$$;

comment on function queue.recount_families(uuid[]) is
  'The rows of queue.orchestrations that the tasks themselves add up to, for those of these orchestrators that have children; enqueued_attempt is null.';

revoke all on function queue.recount_families(uuid[]) from public, anon, authenticated, service_role;

-- Tasks have ended, or were put back: their families count it and follow. An orchestrator's end is remembered, its own
-- children go with it when it was cancelled, and it is judged when children of its have changed.
create function queue.settle_families(p_task_ids uuid[], p_from text[], p_to text[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_changes queue.family_change[];
  v_change queue.family_change;
  v_cancelled uuid[];
begin
  -- Most tasks have no family.
  if not exists (select from queue.subtasks as s where s.task_id = any (p_task_ids))
    and not exists (select from queue.orchestrations as o where o.orchestrator_id = any (p_task_ids)) then
    return;
  end if;

  with child as materialized (
    select s.task_id, s.orchestrator_id
    from queue.subtasks as s
      join queue.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
    where s.task_id = any (p_task_ids)
      and s.replaced_by is null
  ),
  change as (
    select
      c.orchestrator_id,
      sum((m.new_status in ('Queued', 'In Progress'))::integer - (m.old_status in ('Queued', 'In Progress'))::integer)::integer as open,
      sum((m.new_status = 'Complete')::integer - (m.old_status = 'Complete')::integer)::integer as complete,
      sum((m.new_status = 'Failed')::integer - (m.old_status = 'Failed')::integer)::integer as failed,
      sum((m.new_status = 'Cancelled')::integer - (m.old_status = 'Cancelled')::integer)::integer as cancelled
    from child as c
      join unnest(p_task_ids, p_from, p_to) as m (task_id, old_status, new_status) on m.task_id = c.task_id
    group by c.orchestrator_id
  )
  select array_agg((c.orchestrator_id, c.open, c.complete, c.failed, c.cancelled)::queue.family_change order by c.orchestrator_id)
  into v_changes
  from change as c;

  with ended as (
    update queue.orchestrations as o
    set ended_as = case when m.new_status in ('Complete', 'Failed', 'Cancelled') then m.new_status end
    from unnest(p_task_ids, p_to) as m (task_id, new_status)
    where o.orchestrator_id = m.task_id
    returning o.orchestrator_id, o.user_id, o.ended_as
  )
  select array_agg(e.orchestrator_id)
  into v_cancelled
  from ended as e
  where e.ended_as = 'Cancelled'
    and e.user_id = (select t.user_id from public.tasks as t where t.id = e.orchestrator_id);

  if v_changes is not null then
    foreach v_change in array v_changes loop
      update queue.orchestrations as o
      set open_count = o.open_count + v_change.open,
        complete_count = o.complete_count + v_change.complete,
        failed_count = o.failed_count + v_change.failed,
        cancelled_count = o.cancelled_count + v_change.cancelled,
        changed_at = queue.now()
      where o.orchestrator_id = v_change.orchestrator_id;
    end loop;
    foreach v_change in array v_changes loop
      perform queue.judge_orchestration(v_change.orchestrator_id);
    end loop;
  end if;

  if v_cancelled is not null then
    perform queue.cancel_children(v_cancelled, 'Cancelled');
  end if;
end;
$$;

comment on function queue.settle_families(uuid[], text[], text[]) is
  'Moves the counts of the families of these tasks, which went from one status to another, and does what follows from it. Call it under the owners'' locks.';

revoke all on function queue.settle_families(uuid[], text[], text[]) from public, anon, authenticated, service_role;

-- The open children of orchestrators that are no more go with them; what is finished stays. One that somebody is just
-- changing is left to queue.mend_orchestrations: nobody waits for a task while he holds an owner.
create function queue.cancel_children(p_orchestrator_ids uuid[], p_what text)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_ends queue.task_end[];
begin
  select array_agg((
    c.id, c.user_id, 'Cancelled',
    pg_catalog.format('Cascaded failed from related task %s: its orchestrator was %s', c.orchestrator_id, p_what)
  )::queue.task_end)
  into v_ends
  from (
    select t.id, t.user_id, s.orchestrator_id
    from queue.subtasks as s
      join queue.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
      join public.tasks as t on t.id = s.task_id and t.user_id = s.user_id
    where s.orchestrator_id = any (p_orchestrator_ids)
      and t.status in ('Queued', 'In Progress')
    order by t.id
    for no key update of t skip locked
  ) as c;

  if v_ends is null then
    return 0;
  end if;
  perform queue.end_tasks(v_ends);
  return cardinality(v_ends);
end;
$$;

comment on function queue.cancel_children(uuid[], text) is
  'Cancels the live children of these orchestrators, which were Cancelled or deleted, unless somebody holds them; returns how many.';

revoke all on function queue.cancel_children(uuid[], text) from public, anon, authenticated, service_role;

-- Deleted tasks leave their families. Deployed clients delete what they think is a duplicate, and that may be the child
-- that counts: then the one that it had replaced counts again, and is put back if it was cancelled for it. The children
-- of a deleted orchestrator are cancelled. The caller holds the locks of all of them.
create function queue.leave_families(p_task_ids uuid[], p_statuses text[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_gone record;
  v_heir queue.subtasks;
  v_heir_task public.tasks;
  v_orchestrators uuid[];
  v_orchestrator_id uuid;
begin
  for v_gone in
    select s as child, p_statuses[array_position(p_task_ids, s.task_id)] as status, o.ended_as
    from queue.subtasks as s
      left join queue.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
    where s.task_id = any (p_task_ids)
  loop
    delete from queue.subtasks as s where s.task_id = (v_gone.child).task_id;
    if (v_gone.child).replaced_by is not null then
      -- Whoever waited for a copy may as well wait for the child that counts.
      perform queue.move_dependants((v_gone.child).task_id, (v_gone.child).replaced_by, (v_gone.child).user_id);
      continue;
    end if;

    perform queue.count_child(v_gone.child, v_gone.status, -1);
    v_orchestrators := v_orchestrators || (v_gone.child).orchestrator_id;

    select s.*
    into v_heir
    from queue.subtasks as s
      join public.tasks as t on t.id = s.task_id
    where s.replaced_by = (v_gone.child).task_id
    order by t.status = 'Complete' desc, s.seq
    limit 1;
    continue when v_heir.task_id is null;

    update queue.subtasks as s
    set replaced_by = case when s.task_id <> v_heir.task_id then v_heir.task_id end
    where s.replaced_by = (v_gone.child).task_id;
    perform queue.move_dependants((v_gone.child).task_id, v_heir.task_id, v_heir.user_id);

    select t.* into v_heir_task from public.tasks as t where t.id = v_heir.task_id;
    perform queue.count_child(v_heir, v_heir_task.status, 1);
    if v_heir_task.status = 'Cancelled' and v_gone.ended_as is null then
      perform queue.put_back_part(v_heir.task_id, (v_gone.child).task_id);
    end if;
  end loop;

  perform queue.cancel_children(p_task_ids, 'deleted');
  delete from queue.orchestrations as o where o.orchestrator_id = any (p_task_ids);

  for v_orchestrator_id in select distinct o.id from unnest(v_orchestrators) as o (id) order by o.id loop
    perform queue.judge_orchestration(v_orchestrator_id);
  end loop;
end;
$$;

comment on function queue.leave_families(uuid[], text[]) is
  'Takes deleted tasks, which had these statuses, out of their families, and lets replaced ones take their places again. Call it under the owners'' locks.';

revoke all on function queue.leave_families(uuid[], text[]) from public, anon, authenticated, service_role;

-- A child that was cancelled because another one took its place, and that one is gone.
create function queue.put_back_part(p_task_id uuid, p_gone uuid)
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
  perform queue.say(queue.actor(), pg_catalog.format('put back: task %s, which had replaced it, was deleted', p_gone));
  update public.tasks as t
  set status = 'Queued',
    requeue_count = t.requeue_count + 1,
    max_attempts = case
      when t.attempts >= queue.starts_allowed(t) then t.attempts + queue.max_attempts(t.task_type)
      else t.max_attempts
    end,
    error_message = null,
    output_location = null
  where t.id = p_task_id;
  -- Whoever waits for it had lost it.
  perform queue.ask_standing_again(array(select d.task_id from queue.task_dependencies as d where d.depends_on = p_task_id));
  perform queue.say(v_actor, v_reason, nullif(v_details, '')::jsonb);
end;
$$;

comment on function queue.put_back_part(uuid, uuid) is
  'Queues a cancelled child again whose replacement was deleted.';

revoke all on function queue.put_back_part(uuid, uuid) from public, anon, authenticated, service_role;

-- An orchestrator has said that its children are enqueued. From here on it is judged by them, and it may be that they
-- have all ended already. The caller holds the lock on the task.
create function queue.note_enqueued(p_task_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  select t.* into v_task from public.tasks as t where t.id = p_task_id;
  if v_task.user_id is null
    or (v_task.takes_slot and not exists (select from queue.orchestrations as o where o.orchestrator_id = p_task_id)) then
    return; -- no orchestrator
  end if;

  perform from queue.user_slots as s where s.user_id = v_task.user_id for no key update;
  insert into queue.orchestrations as o (orchestrator_id, user_id, enqueued_attempt, changed_at)
  values (v_task.id, v_task.user_id, v_task.attempts, queue.now())
  on conflict (orchestrator_id) do update
    set enqueued_attempt = excluded.enqueued_attempt,
      changed_at = excluded.changed_at
    where o.enqueued_attempt is distinct from excluded.enqueued_attempt;
  perform queue.judge_orchestration(p_task_id);
end;
$$;

comment on function queue.note_enqueued(uuid) is
  'Remembers that this orchestrator has enqueued its children in its present start, and ends it if they have all ended. Nothing for other tasks.';

revoke all on function queue.note_enqueued(uuid) from public, anon, authenticated, service_role;

-- What a task's result record belongs to: params name a parent record, a place in it and a record it is based on; a
-- numbered part belongs to what its orchestrator names. What is malformed, or not the owner's, is left out.
create function queue.generation_links(
  p_task_id uuid, p_user_id uuid, p_params jsonb,
  out parent_generation_id uuid, out child_order integer, out based_on uuid
)
returns record
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_uuid constant text := '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
  v_part queue.subtasks;
  v_parent uuid := substring(p_params ->> 'parent_generation_id' from v_uuid)::uuid;
  v_based_on uuid := substring(p_params ->> 'based_on' from v_uuid)::uuid;
begin
  select s.* into v_part from queue.subtasks as s where s.task_id = p_task_id and s.final_rank in (1, 2);

  if v_parent is null and v_part.task_id is not null then
    select substring(o.params ->> 'parent_generation_id' from v_uuid)::uuid
    into v_parent
    from public.tasks as o
    where o.id = v_part.orchestrator_id
      and o.user_id = p_user_id;
  end if;

  if v_parent is not null then
    select g.id into parent_generation_id from public.generations as g where g.id = v_parent and g.user_id = p_user_id;
  end if;
  if v_based_on is not null then
    select g.id into based_on from public.generations as g where g.id = v_based_on and g.user_id = p_user_id;
  end if;
  child_order := case
    when parent_generation_id is not null
      then coalesce(substring(p_params ->> 'child_order' from '^[0-9]{1,9}$')::integer, v_part.part_index)
  end;
end;
$$;

comment on function queue.generation_links(uuid, uuid, jsonb) is
  'The parent, the place in it and the basis of a task''s result record, as its params say; null where they name nothing of the owner''s.';

revoke all on function queue.generation_links(uuid, uuid, jsonb) from public, anon, authenticated, service_role;

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

-- Ages in the words of the history.
create function queue.seconds_between(p_from timestamptz, p_to timestamptz)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when isfinite(p_from) and isfinite(p_to) then pg_catalog.round(extract(epoch from p_to - p_from))::bigint::text
    else 'uncounted'
  end;
end;
$$;

comment on function queue.seconds_between(timestamptz, timestamptz) is
  'Whole seconds from one time to the other, as text; "uncounted" when one of them is not known.';

revoke all on function queue.seconds_between(timestamptz, timestamptz) from public, anon, authenticated, service_role;

-- What there was to be seen of a start that ended without a result: whether its worker beat, whether it logged. The
-- history keeps it, because logs are gone after two days and the worker's row has moved on.
create function queue.signs_of_life(p_task_id uuid, p_worker_id text, p_started_at timestamptz, p_reported_at timestamptz)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_last_beat timestamptz := (select w.last_heartbeat from public.workers as w where w.id = p_worker_id);
begin
  return jsonb_build_object(
    'running_seconds', round(extract(epoch from v_now - p_started_at)),
    'beats', coalesce(v_last_beat >= p_started_at, false),
    'seconds_since_last_beat', round(extract(epoch from v_now - v_last_beat)),
    'seconds_since_last_report', round(extract(epoch from v_now - p_reported_at)),
    'log_lines', (
      select count(*)
      from public.system_logs as l
      where l.task_id = p_task_id::text
        and l."timestamp" >= coalesce(p_started_at, '-infinity')
    )
  );
end;
$$;

comment on function queue.signs_of_life(uuid, text, timestamptz, timestamptz) is
  'What was seen of a start of this task by this worker: {running_seconds, beats, seconds_since_last_beat, seconds_since_last_report, log_lines}; null where nothing is known.';

revoke all on function queue.signs_of_life(uuid, text, timestamptz, timestamptz) from public, anon, authenticated, service_role;

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

-- Which running tasks nobody can be expected to finish, and why. Every kind of holder has its own sign of life: the
-- fleet's gpu workers beat; api workers and users' own machines only report. NULLs count as the longest silence there is.
create function queue.lost_tasks()
returns setof queue.lost_task
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
  -- After a start of the database nobody has had time to beat.
  v_may_judge_silence boolean;
begin
  select s.* into v_settings from queue.settings as s;
  v_may_judge_silence := v_now - pg_postmaster_start_time() >= v_settings.gpu_silence_limit;

  return query
  with running as (
    select
      t.id, t.lease_token, t.reported_at, t.worker_id, t.token_id, t.pool, t.attempts, t.delivered_at,
      coalesce(t.timeout, y.timeout) as timeout,
      w.status as worker_status, w.last_heartbeat, w.metadata ->> 'error_reason' as error_reason,
      started.at as started_at,
      greatest(started.at, t.reported_at) as last_report,
      greatest(started.at, t.reported_at, w.last_heartbeat) as last_sign
    from public.tasks as t
      left join public.workers as w on w.id = t.worker_id and t.token_id is null
      left join public.task_types as y on y.name = t.task_type
      cross join lateral (
        select coalesce(t.claimed_at, t.generation_started_at, t.updated_at, t.created_at, '-infinity') as at
      ) as started
    where t.status = 'In Progress'
      and not queue.needs_no_worker(t)
  ),
  judged as (
    select
      r.*,
      case
        when r.worker_status in ('terminated', 'error', 'crashed') then 'worker_ended'
        when r.timeout < v_now - r.started_at then 'timed_out'
        when not v_may_judge_silence then null
        when r.worker_id is null and r.last_report < v_now - v_settings.gpu_silence_limit then 'unassigned'
        when r.worker_id is null then null
        when r.token_id is not null then
          case when r.last_report < v_now - v_settings.token_silence_limit then 'caller_silent' end
        when r.pool = 'api' then
          case when r.last_sign < v_now - v_settings.api_silence_limit then 'caller_silent' end
        when r.last_sign < v_now - v_settings.gpu_silence_limit then 'worker_silent'
        when r.delivered_at is null and r.started_at < v_now - v_settings.undelivered_limit then 'never_delivered'
      end as cause
    from running as r
  )
  select
    j.id, j.lease_token, j.reported_at, j.worker_id, j.cause,
    pg_catalog.format(
      'Start %s ended without a result: %s',
      greatest(j.attempts, 1),
      case j.cause
        when 'worker_ended' then pg_catalog.format(
          'worker %s is %s%s', j.worker_id, j.worker_status, coalesce(' (' || j.error_reason || ')', '')
        )
        when 'worker_silent' then pg_catalog.format(
          case
            when j.last_heartbeat is null or j.last_heartbeat < j.started_at then 'worker %s sent no heartbeat since its claim, %s s ago'
            else 'worker %s has been silent for %s s'
          end,
          j.worker_id, queue.seconds_between(j.last_sign, v_now)
        )
        when 'caller_silent' then pg_catalog.format(
          '%s %s gave no sign for %s s', case when j.token_id is null then 'worker' else 'the user''s machine' end, j.worker_id,
          queue.seconds_between(case when j.token_id is null then j.last_sign else j.last_report end, v_now)
        )
        when 'unassigned' then 'it had no worker'
        when 'timed_out' then pg_catalog.format(
          'it ran for %s s, its timeout is %s s', queue.seconds_between(j.started_at, v_now), extract(epoch from j.timeout)::bigint
        )
        when 'never_delivered' then pg_catalog.format(
          'worker %s beats, but has not named the task in %s s', j.worker_id, queue.seconds_between(j.started_at, v_now)
        )
      end
    )
  from judged as j
  where j.cause is not null;
end;
$$;

comment on function queue.lost_tasks() is
  'Running tasks to be put back and why: the worker''s row says it has ended, the worker is silent (gpu_silence_limit; api_silence_limit; token_silence_limit), no worker at all, the timeout of the task or its type, or never delivered (undelivered_limit). Orchestrators that only wait for their children are none.';

revoke all on function queue.lost_tasks() from public, anon, authenticated, service_role;

-- Puts running tasks back, each with its reason, in one statement: so their owners are locked once, in order. What has
-- reported, ended or changed hands since it was looked at is left alone, and so is what somebody is just changing.
create function queue.put_back(p_lost queue.lost_task[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_count integer;
begin
  -- A task that never reached its worker gets its start back (queue.tasks_before_update).
  perform set_config('queue.forgives_starts', 'on', true);
  with held as (
    select t.id
    from public.tasks as t
      join unnest(p_lost) as l on l.task_id = t.id
    where t.status = 'In Progress'
      and t.lease_token is not distinct from l.lease_token
      and t.reported_at is not distinct from l.reported_at
    order by t.id
    for no key update of t skip locked
  )
  update public.tasks as t
  set status = 'Queued',
    attempts = t.attempts - (l.cause = 'never_delivered')::integer,
    error_message = l.reason
  from held as h
    join unnest(p_lost) as l on l.task_id = h.id
  where t.id = h.id;
  get diagnostics v_count = row_count;
  perform set_config('queue.forgives_starts', 'off', true);
  return v_count;
end;
$$;

comment on function queue.put_back(queue.lost_task[]) is
  'Puts these tasks back into the queue (or ends them Failed after their last start) with their reasons, and returns how many; the start of one that was never delivered is not counted.';

revoke all on function queue.put_back(queue.lost_task[]) from public, anon, authenticated, service_role;

-- Takes work back from those who will not finish it. Runs every minute, and from a claim that finds nothing while the
-- job is late. Silent workers are set to error first, so that they get no more work and an orchestrator sees why.
create function queue.rescue(p_limit integer default 1000)
returns json
language plpgsql
volatile
security definer -- changes workers and leases for pg_cron, claims and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_lost queue.lost_task[];
  v_silent text;
  v_reaped text[] := array[]::text[];
  v_spared text[] := array[]::text[];
begin
  -- One at a time; the other one has nothing to add.
  if not pg_try_advisory_xact_lock(hashtextextended('queue.rescue', 0)) then
    return json_build_object('skipped', 'another rescue is running');
  end if;

  v_lost := array(select l from queue.lost_tasks() as l limit p_limit);
  if cardinality(v_lost) = 0 then
    return json_build_object('put_back', 0, 'workers_set_to_error', 0);
  end if;

  perform queue.say('queue.rescue');
  -- The trigger on workers would put the same tasks back (queue.workers_after_write).
  perform set_config('queue.rescues', 'on', true);
  for v_silent in
    select distinct l.worker_id from unnest(v_lost) as l where l.cause = 'worker_silent' order by l.worker_id
  loop
    -- A beat in this very moment wins.
    perform
    from public.workers as w
    where w.id = v_silent
      and coalesce(w.last_heartbeat < queue.now() - (select s.gpu_silence_limit from queue.settings as s), true)
    for no key update skip locked;
    if not found and exists (select from public.workers as w where w.id = v_silent) then
      v_spared := v_spared || v_silent;
    elsif queue.mark_reaped(v_silent, (select min(l.reason) from unnest(v_lost) as l where l.worker_id = v_silent)) then
      v_reaped := v_reaped || v_silent;
    end if;
  end loop;
  perform set_config('queue.rescues', 'off', true);

  v_lost := array(
    select l from unnest(v_lost) as l where l.worker_id is null or l.cause <> 'worker_silent' or l.worker_id <> all (v_spared)
  );
  return json_build_object('put_back', queue.put_back(v_lost), 'workers_set_to_error', cardinality(v_reaped));
end;
$$;

comment on function queue.rescue(integer) is
  'Puts up to p_limit lost tasks back (queue.lost_tasks) and sets gpu workers that fell silent with work to error; returns {put_back, workers_set_to_error}, or {skipped} while another rescue runs. Safe to repeat.';

revoke all on function queue.rescue(integer) from public, anon, authenticated, service_role;
grant execute on function queue.rescue(integer) to service_role;

-- A worker whose row says that it has ended gives its work back at once, whoever wrote the row. Per statement, so that
-- the owners of all its tasks are locked in order.
create function queue.workers_after_write()
returns trigger
language plpgsql
security definer -- puts tasks back on behalf of any caller who may write workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if current_setting('queue.rescues', true) = 'on' then
    return null;
  end if;

  update public.tasks as t
  set status = 'Queued',
    error_message = pg_catalog.format(
      'Start %s ended without a result: worker %s is %s%s',
      greatest(t.attempts, 1), t.worker_id, n.status, coalesce(' (' || (n.metadata ->> 'error_reason') || ')', '')
    )
  from new_rows as n
    join old_rows as o on o.id = n.id
  where n.status in ('terminated', 'error', 'crashed')
    and o.status is distinct from n.status
    and t.worker_id = n.id
    and t.token_id is null
    and t.status = 'In Progress'
    and not queue.needs_no_worker(t);
  return null;
end;
$$;

comment on function queue.workers_after_write() is
  'Trigger: tasks of workers that have just become terminated, error or crashed go back to the queue.';

revoke all on function queue.workers_after_write() from public, anon, authenticated, service_role;

create trigger workers_after_write
  after update on public.workers
  referencing old table as old_rows new table as new_rows
  for each statement execute function queue.workers_after_write();

-- The same for a worker whose row is deleted.
create function queue.workers_after_delete()
returns trigger
language plpgsql
security definer -- puts tasks back on behalf of any caller who may delete workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  update public.tasks as t
  set status = 'Queued',
    error_message = pg_catalog.format(
      'Start %s ended without a result: the row of worker %s was deleted', greatest(t.attempts, 1), t.worker_id
    )
  from old_rows as o
  where t.worker_id = o.id
    and t.token_id is null
    and t.status = 'In Progress'
    and not queue.needs_no_worker(t);
  return null;
end;
$$;

comment on function queue.workers_after_delete() is 'Trigger: tasks of workers whose row was deleted go back to the queue.';

revoke all on function queue.workers_after_delete() from public, anon, authenticated, service_role;

create trigger workers_after_delete
  after delete on public.workers
  referencing old table as old_rows
  for each statement execute function queue.workers_after_delete();
