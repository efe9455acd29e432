-- What: every function that changed with the bounds, the waits and the turns, as supabase/schemas/ has it.
-- Why: nothing that one user, one row or one client does may stop the others.
-- Back out: apply the same functions of the files before this one again.

set lock_timeout = '900ms';

drop function if exists public.get_completed_segments(jsonb, text, uuid);
drop function if exists public.get_orchestrator_children(jsonb, uuid);
drop function if exists queue.children_of(public.tasks, integer);
drop function if exists queue.get_completed_segments(jsonb, text, uuid);
drop function if exists queue.get_orchestrator_children(jsonb, uuid);
drop function if exists queue.is_stale(timestamptz, integer, jsonb);
drop function if exists queue.next_tasks(queue.caller, text, integer, queue.user_load_row[]);
drop function if exists queue.note_enqueued(uuid);
drop function if exists queue.overtaken_by_time();
drop function if exists queue.repeat_claim(queue.caller, text, text);
drop function if exists queue.times_started(public.tasks);
drop function if exists queue.watch_clock(timestamptz);

-- What began to wait before this has grown stale. Time in which the queue stood still (the project was paused, or its
-- jobs and workers were away) makes nothing older: work of a week ago is not thrown away at the first minute after an
-- outage. queue.watch_clock remembers how long that was; here it is seen also before the first look after it.
create or replace function queue.stale_before()
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_watch queue.clock_watch;
  v_before timestamptz := queue.now() - (select s.stale_after from queue.settings as s);
begin
  select w.* into v_watch from queue.clock_watch as w;
  if clock_timestamp() > v_watch.looked_at + v_watch.away_after then
    v_before := v_before - (clock_timestamp() - v_watch.looked_at);
  end if;
  if v_watch.away_until >= v_before then
    v_before := v_before - v_watch.away_for;
  end if;
  return v_before;
end;
$$;

comment on function queue.stale_before() is
  'Never-started work that could have run since before this is stale: queue.settings.stale_after ago, and as much longer as the queue stood still meanwhile (queue.clock_watch).';

revoke all on function queue.stale_before() from public, anon, authenticated, service_role;

-- Work that nobody started for a week is not started by surprise. It counts from when the task could first run: the
-- latest of created_at, available_at (its own time) and released_at (the end of what it waited for). A live parent (the
-- orchestrator that enqueued it) keeps a task fresh. Handed out once is started, also when that start was taken off again.
create or replace function queue.is_stale(p_since timestamptz, p_was_started boolean, p_params jsonb)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_parent_id uuid;
begin
  if p_was_started or p_since >= queue.stale_before() then
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

comment on function queue.is_stale(timestamptz, boolean, jsonb) is
  'Whether a queued task that could run since p_since was never started for queue.settings.stale_after and has no live parent.';

revoke all on function queue.is_stale(timestamptz, boolean, jsonb) from public, anon, authenticated, service_role;

-- Since when nothing that a task waits for holds it back: the end of the last of them. Before that it could not have run,
-- however long ago it was enqueued.
create or replace function queue.released_at(p_task_id uuid, p_dependant_on uuid, p_user_id uuid)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select max(t.generation_processed_at)
    from public.tasks as t
    where t.id = any (array(select d.depends_on from queue.task_dependencies as d where d.task_id = p_task_id) || p_dependant_on)
      and t.user_id is not distinct from p_user_id
      and t.status = 'Complete'
  );
end;
$$;

comment on function queue.released_at(uuid, uuid, uuid) is
  'When the last of what this task waits for was completed; null = nothing of it was.';

revoke all on function queue.released_at(uuid, uuid, uuid) from public, anon, authenticated, service_role;

-- The task's half of the one rule (docs/architecture.md): where a live task stands. The reasons are asked in the
-- order in which they are reported; reasons of the owner stand between them and are in queue.user_slots.
create or replace function queue.task_standing(p_task public.tasks)
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
    case when queue.is_stale(greatest(p_task.created_at, p_task.available_at, p_task.released_at), p_task.attempts > 0 or p_task.claimed_at is not null, p_task.params) then 'stale' end,
    'ready'
  );
end;
$$;

comment on function queue.task_standing(public.tasks) is
  'Where a live task stands: active, ready, or why it waits: no_owner, no_run_type, type_inactive, not_yet, dependency_pending, dependency_lost, stale. Null for a finished task.';

revoke all on function queue.task_standing(public.tasks) from public, anon, authenticated, service_role;

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
    -- Held, as the foreign key will: it does not change hands until the task is there.
    select p.user_id into v_owner from public.projects as p where p.id = new.project_id for key share;
    -- An unknown project is left to the foreign key.
    new.user_id := coalesce(v_owner, new.user_id);
  end if;

  new.run_type := coalesce(new.run_type, 'cloud');
  new.params := queue.params_object(new.params);
  -- A default timestamp becomes the queue's own time. One that was given stays, unless a user gave it: an older task
  -- is served first.
  if new.created_at is null or new.created_at = pg_catalog.now() or queue.actor() ~ '^(authenticated$|user:)' then
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
  elsif new.dependant_on is not null then
    new.released_at := queue.released_at(new.id, new.dependant_on, new.user_id);
  end if;
  new.model := queue.task_model(new.params);
  new.standing := queue.task_standing(new);
  return new;
end;
$$;

comment on function queue.tasks_before_insert() is 'Trigger: gives a new task its owner, pool and standing.';

revoke all on function queue.tasks_before_insert() from public, anon, authenticated, service_role;

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
  v_is_given_back boolean;
  v_is_forgiven boolean;
begin
  if not queue.is_legal_transition(old, new) then
    return null;
  end if;

  perform queue.refuse_impossible_values(new);
  if new.token_id is null and new.worker_id is distinct from old.worker_id then
    perform queue.refuse_name_of_a_token(new.worker_id);
  end if;

  -- Only a claim or a requeue moves the count of starts; what a client read and wrote back does not. Only the queue
  -- itself takes a start off again: one that never reached its worker, or that its holder hands back.
  v_is_given_back := old.status = 'In Progress' and new.status = 'Queued' and new.attempts < old.attempts
    and current_setting('queue.forgives_starts', true) = 'on';
  -- Not for ever: from the second time on the task waits, longer each time, and in the end its starts count. What is
  -- counted is the task's, whatever comes between: a start that counts is no reason to give as many again.
  v_is_forgiven := v_is_given_back and old.free_returns < (select s.max_free_returns from queue.settings as s);
  if v_is_given_back then
    new.free_returns := old.free_returns + 1;
    if old.free_returns > 0 then
      new.available_at := greatest(new.available_at, queue.now() + queue.retry_wait(old.free_returns));
    end if;
  elsif new.requeue_count > old.requeue_count then
    new.free_returns := 0;
  end if;
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
      -- How far the last start came says nothing of the next one.
      if new.output_location is not distinct from old.output_location then
        new.output_location := null;
      end if;
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
  if new.project_id is distinct from old.project_id and new.project_id is not null then
    new.user_id := coalesce((select p.user_id from public.projects as p where p.id = new.project_id), new.user_id);
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
    -- Its age counts from what let it go.
    if new.requeue_count > old.requeue_count then
      new.released_at := queue.now();
    elsif new.status = 'Queued' and new.dependant_on is not null then
      new.released_at := greatest(old.released_at, queue.released_at(new.id, new.dependant_on, new.user_id));
    end if;
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
  v_is_direct boolean := coalesce(current_setting('queue.actor', true), '') = '';
  v_reports jsonb;
  v_report record;
begin
  v_now := queue.now();

  select
    array_agg(n.id) filter (where n.status = 'Complete'),
    array_agg((n.id, n.user_id, n.status, n.error_message)::queue.task_end) filter (where n.status in ('Failed', 'Cancelled')),
    array_agg(distinct n.user_id),
    array_agg(n.id), array_agg(o.status), array_agg(n.status)
  into v_complete, v_lost, v_owners, v_moved, v_from, v_to
  -- A full join, and a condition that leaves it one: the plan is made for the few rows of a first call and kept, and an
  -- inner join for few rows compares each with each. This one is merged or hashed, however many rows come.
  from new_rows as n
    full join old_rows as o on o.id = n.id
  where coalesce(
    n.status <> o.status
      -- Ended, or put back after its end.
      and (n.status not in ('Queued', 'In Progress') or o.status not in ('Queued', 'In Progress')),
    false
  );

  -- What a direct change puts into the text of an orchestrator, it says like a report (queue.update_task_status).
  if v_is_direct then
    select jsonb_agg(jsonb_build_object('id', n.id, 'text', n.output_location) order by n.user_id, n.id)
    into v_reports
    from new_rows as n
      join old_rows as o on o.id = n.id
    where n.status = 'In Progress'
      and o.status = 'In Progress'
      and n.output_location <> ''
      and n.output_location is distinct from o.output_location
      and (not n.takes_slot or n.task_type like '%orchestrat%');
  end if;

  -- Other tasks are locked before any owner, like everywhere.
  if v_reports is not null then
    perform queue.lock_relatives_of(
      array(select r.id from jsonb_to_recordset(v_reports) as r (id uuid)), array(select distinct n.user_id from new_rows as n), false
    );
  end if;
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
    full join old_rows as o on o.id = n.id -- full as above
  where coalesce(n.status <> o.status or n.lease_token <> o.lease_token, false);

  if v_is_direct then
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
  for v_report in select r.id, r.text from jsonb_to_recordset(v_reports) as r (id uuid, text text) loop
    perform queue.note_enqueued(v_report.id, v_report.text);
  end loop;

  return null;
end;
$$;

comment on function queue.tasks_after_update() is
  'Trigger: counters, history, result records, dependants and families of changed tasks.';

revoke all on function queue.tasks_after_update() from public, anon, authenticated, service_role;

-- With a user go projects, tasks, results and tokens, by foreign keys. What the history tells of them is kept for a while,
-- and then deleted (queue.purge_kept).
create or replace function queue.users_after_delete()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may delete users
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
begin
  insert into queue.deleted_users (user_id, deleted_at)
  values (old.id, queue.now())
  on conflict (user_id) do update set deleted_at = excluded.deleted_at;
  return null;
end;
$$;

comment on function queue.users_after_delete() is
  'Trigger: remembers that a user was deleted, so that the history forgets them in time.';

revoke all on function queue.users_after_delete() from public, anon, authenticated, service_role;

-- A task's owner is its project's owner, and so is whose limit it takes, who pays, and who may see its results. A project
-- that holds any of that does not change hands by a mere update: queue.move_project takes all of it along.
create or replace function queue.projects_before_update()
returns trigger
language plpgsql
security definer -- looks at tasks on behalf of any caller who may write projects
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
begin
  -- Whoever is just enqueuing into the project has read its owner, and holds the row until the tasks are there.
  perform from public.projects as p where p.id = old.id for update;
  if coalesce(current_setting('queue.moves_project', true), '') <> old.id::text
    and (
      exists (select from public.tasks as t where t.project_id = old.id)
      or exists (select from public.generations as g where g.project_id = old.id)
    ) then
    perform queue.refuse(
      409, 'PROJECT_HAS_TASKS', pg_catalog.format('Project %s holds tasks or results, which would stay with its former owner', old.id),
      pg_catalog.format('With the service key: move_project {"p_project_id": "%s", "p_user_id": "%s"}', old.id, new.user_id)
    );
  end if;
  return new;
end;
$$;

comment on function queue.projects_before_update() is
  'Trigger: refuses to give a project with tasks or results to another user (409 PROJECT_HAS_TASKS), except to queue.move_project.';

revoke all on function queue.projects_before_update() from public, anon, authenticated, service_role;

-- What waited for a task that failed, was cancelled or deleted can never run. All of it ends at once, however long the
-- chain: Failed below a failed task, else Cancelled. Only queued tasks of the same owner; a task that was in somebody
-- else's way was in nobody's way (queue.dependency_state).
create or replace function queue.settle_lost(p_lost queue.task_end[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_ends queue.task_end[];
begin
  with recursive reached (task_id, via, root, user_id, status, reason) as (
    -- Each task once per way to it and cause: diamonds do not multiply, and a circle ends.
    select l.task_id, null::uuid, l.task_id, l.user_id, l.status, pg_catalog.left(nullif(l.reason, ''), 500)
    from unnest(p_lost) as l
    where l.user_id is not null
      and exists (select from queue.task_dependencies as d where d.depends_on = l.task_id)
    union
    select d.task_id, r.task_id, r.root, r.user_id, r.status, r.reason
    from reached as r
      join queue.task_dependencies as d on d.depends_on = r.task_id
    -- One task by its key; as a join, a plan from when the queue was small would go through all tasks of the owner.
    where (select t.status = 'Queued' and t.user_id = r.user_id from public.tasks as t where t.id = d.task_id)
  ),
  -- One cause per task: a failure rather than a cancellation.
  chosen as (
    select distinct on (r.task_id) r.task_id, r.via, r.root, r.status, r.reason
    from reached as r
    order by r.task_id, r.via is not null, r.status = 'Failed' desc, r.root, r.via
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
      concat_ws(': ', c.status, c.reason)
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

-- An orchestrator that had enqueued all of its children, and they are all gone: nothing is left that could end it, and no
-- worker is to enqueue them again, because somebody took them away. The caller holds the locks on the orchestrator and on
-- its owner.
create or replace function queue.cancel_childless(p_orchestrator_id uuid, p_reason text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform queue.end_tasks(array_agg((t.id, t.user_id, 'Cancelled', p_reason)::queue.task_end))
  from queue.orchestrations as o
    join public.tasks as t on t.id = o.orchestrator_id and t.user_id = o.user_id
  where o.orchestrator_id = p_orchestrator_id
    and o.ended_as is null
    and o.enqueued_attempt = t.attempts
    and o.open_count + o.complete_count + o.failed_count + o.cancelled_count = 0
    and t.status = 'In Progress'
  having count(*) > 0;
end;
$$;

comment on function queue.cancel_childless(uuid, text) is
  'Cancels this orchestrator with the reason if it runs, had enqueued all of its children in this start, and none is left.';

revoke all on function queue.cancel_childless(uuid, text) from public, anon, authenticated, service_role;

-- Tasks have ended, or were put back: their families count it and follow. An orchestrator's end is remembered, its own
-- children go with it when it was cancelled, and it is judged when children of its have changed.
create or replace function queue.settle_families(p_task_ids uuid[], p_from text[], p_to text[])
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

  with change as (
    select
      c.orchestrator_id,
      sum((m.new_status in ('Queued', 'In Progress'))::integer - (m.old_status in ('Queued', 'In Progress'))::integer)::integer as open,
      sum((m.new_status = 'Complete')::integer - (m.old_status = 'Complete')::integer)::integer as complete,
      sum((m.new_status = 'Failed')::integer - (m.old_status = 'Failed')::integer)::integer as failed,
      sum((m.new_status = 'Cancelled')::integer - (m.old_status = 'Cancelled')::integer)::integer as cancelled
    from unnest(p_task_ids, p_from, p_to) as m (task_id, old_status, new_status)
      -- One child by its key: a join may compare each with each.
      cross join lateral (
        select s.orchestrator_id, s.user_id
        from queue.subtasks as s
        where s.task_id = m.task_id
          and s.replaced_by is null
        limit 1
      ) as c
    where exists (
      select from queue.orchestrations as o where o.orchestrator_id = c.orchestrator_id and o.user_id = c.user_id
    )
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

-- Tasks that are no children of their orchestrators any more, because they were deleted or are somebody else's now.
-- Deployed clients delete what they think is a duplicate, and that may be the child that counts: then the one that it had
-- replaced counts again, and is put back if it was cancelled for it. The caller holds the locks of all of them.
create or replace function queue.take_out_children(p_task_ids uuid[], p_statuses text[])
returns uuid[]
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
begin
  -- What was complete stays complete when a part of it goes: nobody will enqueue that part again.
  update queue.orchestrations as o
  set enqueued_attempt = t.attempts
  from public.tasks as t
  where o.orchestrator_id = any (array(
      select s.orchestrator_id from queue.subtasks as s where s.task_id = any (p_task_ids) and s.replaced_by is null
    ))
    and o.ended_as is null
    and t.id = o.orchestrator_id
    and t.status = 'In Progress'
    and o.enqueued_attempt is distinct from t.attempts
    and queue.is_enqueued(o, t);

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

  return array(select distinct o.id from unnest(v_orchestrators) as o (id) order by o.id);
end;
$$;

comment on function queue.take_out_children(uuid[], text[]) is
  'Takes these tasks, which have or had these statuses, out of their families, lets replaced ones take their places again, and returns the orchestrators that are to be judged anew. Call it under the owners'' locks.';

revoke all on function queue.take_out_children(uuid[], text[]) from public, anon, authenticated, service_role;

-- Deleted tasks leave their families, and the children of a deleted orchestrator are cancelled. An orchestrator that has
-- lost its last child is cancelled, too; one that keeps some is judged by those. The caller holds the locks of all of
-- them.
create or replace function queue.leave_families(p_task_ids uuid[], p_statuses text[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_orchestrators uuid[];
  v_orchestrator_id uuid;
begin
  v_orchestrators := queue.take_out_children(p_task_ids, p_statuses);

  perform queue.cancel_children(p_task_ids, 'deleted');
  delete from queue.orchestrations as o where o.orchestrator_id = any (p_task_ids);

  foreach v_orchestrator_id in array v_orchestrators loop
    perform queue.judge_orchestration(v_orchestrator_id);
    perform queue.cancel_childless(v_orchestrator_id, 'all children were deleted');
  end loop;
end;
$$;

comment on function queue.leave_families(uuid[], text[]) is
  'Takes deleted tasks, which had these statuses, out of their families, and ends what ends with them. Call it under the owners'' locks.';

revoke all on function queue.leave_families(uuid[], text[]) from public, anon, authenticated, service_role;

-- An orchestrator has said that its children are enqueued. From here on it is judged by them, and it may be that they
-- have all ended already, that somebody has deleted them all, or that there are none to come. The caller holds the lock on
-- the task.
create or replace function queue.note_enqueued(p_task_id uuid, p_report text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
  v_had_children boolean;
  v_actor text := current_setting('queue.actor', true);
begin
  select t.* into v_task from public.tasks as t where t.id = p_task_id;
  if v_task.user_id is null
    or (
      v_task.takes_slot and not (queue.has_nothing_to_enqueue(p_report) and v_task.task_type like '%orchestrat%')
      and not exists (select from queue.orchestrations as o where o.orchestrator_id = p_task_id)
    ) then
    return; -- no orchestrator
  end if;

  perform from queue.user_slots as s where s.user_id = v_task.user_id for no key update;
  if queue.has_nothing_to_enqueue(p_report) and v_task.status = 'In Progress' and not exists (
    select from queue.subtasks as s where s.orchestrator_id = v_task.id and s.user_id = v_task.user_id
  ) then
    perform queue.say(queue.actor(), 'it has nothing to enqueue', jsonb_build_object('report', p_report));
    update public.tasks as t
    set status = 'Complete', output_location = null, error_message = null
    where t.id = v_task.id;
    perform queue.say(v_actor);
    return;
  end if;

  -- Families are counted from their first child on.
  v_had_children := exists (
    select from queue.orchestrations as o where o.orchestrator_id = v_task.id and o.enqueued_attempt is null
  );
  insert into queue.orchestrations as o (orchestrator_id, user_id, enqueued_attempt, changed_at)
  values (v_task.id, v_task.user_id, v_task.attempts, queue.now())
  on conflict (orchestrator_id) do update
    set enqueued_attempt = excluded.enqueued_attempt,
      changed_at = excluded.changed_at
    where o.enqueued_attempt is distinct from excluded.enqueued_attempt;
  perform queue.judge_orchestration(p_task_id);
  if v_had_children and p_report ~ '^(Successfully enqueued|\[IDEMPOTENT\])' then
    perform queue.cancel_childless(p_task_id, 'all children were deleted');
  end if;
end;
$$;

comment on function queue.note_enqueued(uuid, text) is
  'Remembers that this orchestrator has enqueued its children in its present start, and ends it if they have all ended or been deleted, or if it says (p_report) that there are none to come. Nothing for other tasks.';

revoke all on function queue.note_enqueued(uuid, text) from public, anon, authenticated, service_role;

-- Deployed orchestrators whose params leave nothing to generate say so and end; they report no result. Older ones put
-- their log's mark in front.
create or replace function queue.has_nothing_to_enqueue(p_report text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_report ~ '^(\[WARNING Task ID: [^]]{1,100}\] )?No new segments to generate', false);
end;
$$;

comment on function queue.has_nothing_to_enqueue(text) is
  'Whether an orchestrator reports with this text that there is nothing to enqueue: it begins "No new segments to generate".';

revoke all on function queue.has_nothing_to_enqueue(text) from public, anon, authenticated, service_role;

-- Why the cleanup cancels a queued task, or null: nobody ever started it and nobody waits for it any more, or it waits for
-- what cannot come. What waits for a live task is judged by that one: it goes when that goes. Asked of what was found, and
-- once more under the lock, because much can happen in between.
create or replace function queue.reason_to_cancel(p_task public.tasks)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
begin
  select s.* into v_settings from queue.settings as s;

  -- What waits for a lost task can never run, nor can what waits for that.
  if p_task.standing = 'dependency_lost' then
    return case when coalesce(p_task.updated_at, p_task.created_at) < v_now - v_settings.dependency_grace then
      'Cancelled by the cleanup: a task it waits for failed, was cancelled or does not exist'
    end;
  elsif p_task.standing is null
    or p_task.standing not in ('no_owner', 'no_run_type', 'type_inactive', 'stale')
    or p_task.claimed_at is not null
    or not queue.is_stale(greatest(p_task.created_at, p_task.available_at, p_task.released_at), p_task.attempts > 0 or p_task.claimed_at is not null, p_task.params)
    or exists (
      select
      from queue.task_dependencies as d
        join public.tasks as x on x.id = d.depends_on
      where d.task_id = p_task.id
        and x.user_id is not distinct from p_task.user_id
        and x.status in ('Queued', 'In Progress')
    ) then
    return null;
  end if;

  -- What would be cancelled along: tasks that wait for it, its children, and so on. One that was started or is fresh
  -- keeps it. Most have nobody, which two looks at an index can tell.
  if (
    exists (select from queue.task_dependencies as d where d.depends_on = p_task.id)
    or exists (select from queue.subtasks as s where s.orchestrator_id = p_task.id)
  ) and exists (
    with recursive along (id) as (
      select p_task.id
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
    where x.id <> p_task.id
      and x.user_id is not distinct from p_task.user_id
      and (
        x.status = 'In Progress'
        or x.status = 'Queued' and (
          x.attempts > 0
          or x.claimed_at is not null
          or greatest(x.created_at, x.available_at, x.released_at) >= queue.stale_before()
          or not queue.is_stale(greatest(x.created_at, x.available_at, x.released_at), x.attempts > 0 or x.claimed_at is not null, x.params)
          and queue.parent_task_id(x.params) not in (select o.id from along as o)
        )
      )
  ) then
    return null;
  end if;

  return pg_catalog.format('Cancelled by the cleanup: enqueued %s, never started (%s)', p_task.created_at, p_task.standing);
end;
$$;

comment on function queue.reason_to_cancel(public.tasks) is
  'Why the cleanup would cancel this task, null when it would not: never started for queue.settings.stale_after since it could run, no live task that it waits for, no live parent, no fresh child and no fresh task that waits for it in any number of steps; or waiting longer than dependency_grace for a task that cannot come.';

revoke all on function queue.reason_to_cancel(public.tasks) from public, anon, authenticated, service_role;

-- The totals of ended tasks are counted on from the history; without it they are counted from the tasks.
create or replace function queue.events_after_truncate()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may truncate
set search_path = ''
as $$
begin
  perform queue.recount_totals();
  return null;
end;
$$;

comment on function queue.events_after_truncate() is 'Trigger: counts ended tasks anew when the history is emptied.';

revoke all on function queue.events_after_truncate() from public, anon, authenticated, service_role;

-- What tasks go by, or what is derived from them, cannot be emptied under them. Together with the tasks it can: after such
-- a statement there are none.
create or replace function queue.refuse_truncate()
returns trigger
language plpgsql
security definer -- looks at tasks on behalf of any caller who may truncate
set search_path = ''
as $$
begin
  if exists (select from public.tasks as t) then
    perform queue.refuse(
      409, 'TRUNCATE_REFUSED',
      pg_catalog.format('%I.%I cannot be truncated while there are tasks: nothing would follow', tg_table_schema, tg_table_name),
      'Delete rows instead, or truncate public.tasks, which empties what is derived from it'
    );
  end if;
  return null;
end;
$$;

comment on function queue.refuse_truncate() is
  'Trigger: refuses to truncate a table that live tasks depend on with 409 TRUNCATE_REFUSED.';

revoke all on function queue.refuse_truncate() from public, anon, authenticated, service_role;

-- TRUNCATE fires no trigger for rows: with the tasks goes all that was derived from them. Their history stays.
create or replace function queue.tasks_after_truncate()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may truncate
set search_path = ''
as $$
begin
  delete from queue.task_dependencies as d;
  delete from queue.subtasks as s;
  delete from queue.orchestrations as o;
  delete from queue.blocked_tasks as b;
  delete from queue.user_lines as l;
  update queue.user_slots as s
  set (running, cloud_reason, local_reason) = (
    select w.running, w.cloud_reason, w.local_reason from queue.slots_of(u, 0) as w
  )
  from public.users as u
  where u.id = s.user_id
    and s.running <> 0;
  perform queue.recount_totals();
  return null;
end;
$$;

comment on function queue.tasks_after_truncate() is 'Trigger: empties what was derived from the tasks when all of them are gone.';

revoke all on function queue.tasks_after_truncate() from public, anon, authenticated, service_role;

-- Nobody is silent because the clock has jumped. A jump and a rescue that did not run look the same from in here, a gap
-- between two looks, and in both nobody was watched meanwhile; so silences and runs are measured anew from the first
-- look after it. Not again before a full silence has been judged since: while looks keep coming late (claims stand in for a
-- dead pg_cron, or that misses minutes), gaps are all there is, and dead workers have to be found all the same.
--
-- A gap is what could carry a worker that beats over its silence limit, even where looks are more frequent than the job's
-- period says. A standby that was promoted has a timeline of its own; its server may have been running for months. And
-- what happened in a long gap, nobody could have worked off: work grows no older in it (queue.stale_before).
create or replace function queue.watch_clock(
  p_clock timestamptz default clock_timestamp(),
  p_timeline text default pg_catalog.left(pg_walfile_name(pg_current_wal_lsn()), 8)
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_tolerance constant interval := interval '10 seconds'; -- clocks are set right by less than this all the time
  v_now timestamptz := queue.now();
  v_watch queue.clock_watch;
  v_has_gone_back boolean;
  v_has_gap boolean;
  v_is_promoted boolean;
  v_away interval;
  v_ahead timestamptz;
  v_limit interval;
  v_stale_after interval;
begin
  select w.* into v_watch from queue.clock_watch as w;
  select s.gpu_silence_limit, s.stale_after into v_limit, v_stale_after from queue.settings as s;
  v_is_promoted := coalesce(v_watch.timeline <> p_timeline, false);
  v_has_gone_back := coalesce(p_clock < v_watch.looked_at - v_tolerance, false);
  -- It may have gone ahead and back between two looks: then nothing but what was written meanwhile says so.
  select max(a.sign)
  into v_ahead
  from (
    select w.last_heartbeat as sign from public.workers as w where w.last_heartbeat > v_now + v_tolerance
    union all
    select greatest(t.claimed_at, t.reported_at)
    from public.tasks as t
    where t.status = 'In Progress' and greatest(t.claimed_at, t.reported_at) > v_now + v_tolerance
  ) as a;
  v_has_gap := v_has_gone_back or exists (
    select
    from queue.job_runs as r
    where r.job = 'rescue'
      and v_watch.looked_at < p_clock - greatest(1.1 * r.period, least(1.5 * r.period, v_limit - interval '30 seconds'))
  );
  if p_clock - v_watch.looked_at > v_watch.away_after then
    v_away := p_clock - v_watch.looked_at;
  end if;

  update queue.clock_watch as w
  set looked_at = p_clock,
    timeline = p_timeline,
    is_steady = not v_has_gap and not v_is_promoted and w.trusted_since <= v_now - v_limit,
    trusted_since = case
      when v_has_gone_back or v_is_promoted or (v_has_gap and w.is_steady) then v_now
      else w.trusted_since
    end,
    away_until = case when v_away is not null then v_now else w.away_until end,
    away_for = case
      when v_away is null then w.away_for
      -- One that has not grown old itself is added to it.
      when w.away_until >= v_now - v_stale_after - v_away then v_away + w.away_for
      else v_away
    end,
    set_back_at = case
      when v_has_gone_back or v_ahead > coalesce(w.set_back_until, '-infinity') then v_now
      else w.set_back_at
    end,
    set_back_until = greatest(
      case when v_has_gone_back then v_now + (w.looked_at - p_clock) else w.set_back_until end, v_ahead
    );
end;
$$;

comment on function queue.watch_clock(timestamptz, text) is
  'Looks at the clock; called by each rescue. After a gap that could carry a beating worker over its silence limit, a step back of more than 10 s or a promotion (a new timeline), queue.clock_watch says from when silence is measured. p_clock: the time without queue.settings.clock_offset, given by tests, like p_timeline.';

revoke all on function queue.watch_clock(timestamptz, text) from public, anon, authenticated, service_role;

-- Which running tasks nobody can be expected to finish, and why. Every kind of holder has its own sign of life: the
-- fleet's gpu workers beat; api workers and users' own machines only report. NULLs count as the longest silence there is.
-- Times are asked as queue.clock_watch says: the clock under the database may have jumped.
create or replace function queue.lost_tasks()
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
  v_trusted_since timestamptz;
begin
  select s.* into v_settings from queue.settings as s;
  v_may_judge_silence := v_now < pg_postmaster_start_time() -- set back since; then v_trusted_since says from when
    or v_now - pg_postmaster_start_time() >= v_settings.gpu_silence_limit;
  v_trusted_since := (select least(w.trusted_since, v_now) from queue.clock_watch as w);

  return query
  with running as (
    select
      t.id, t.lease_token, t.reported_at, t.worker_id, t.token_id, t.pool, t.attempts, t.delivered_at,
      coalesce(t.timeout, y.timeout) as timeout,
      w.status as worker_status, seen.last_heartbeat, w.metadata ->> 'error_reason' as error_reason,
      t.token_id is not null and (k.id is null or k.revoked_at is not null or k.expires_at <= v_now) as is_shut_out,
      seen.started_at,
      greatest(seen.started_at, v_trusted_since) as runs_since,
      greatest(seen.started_at, seen.reported_at, v_trusted_since) as last_report,
      greatest(seen.started_at, seen.reported_at, seen.last_heartbeat, v_trusted_since) as last_sign
    from public.tasks as t
      left join public.workers as w on w.id = t.worker_id and t.token_id is null
      left join public.task_types as y on y.name = t.task_type
      left join public.user_api_tokens as k on k.id = t.token_id
      cross join lateral (
        select
          queue.seen_at(coalesce(t.claimed_at, t.generation_started_at, t.updated_at, t.created_at, '-infinity'), v_now) as started_at,
          queue.seen_at(t.reported_at, v_now) as reported_at,
          queue.seen_at(w.last_heartbeat, v_now) as last_heartbeat
      ) as seen
    where t.status = 'In Progress'
      and not queue.needs_no_worker(t)
  ),
  judged as (
    select
      r.*,
      case
        when r.worker_status in ('terminated', 'error', 'crashed') then 'worker_ended'
        when r.runs_since < v_now - r.timeout then 'timed_out'
        -- Whatever it does, nobody would listen to it.
        when r.is_shut_out then 'token_ended'
        when not v_may_judge_silence then null
        when r.worker_id is null and r.last_report < v_now - v_settings.gpu_silence_limit then 'unassigned'
        when r.worker_id is null then null
        when r.token_id is not null then
          case when r.last_report < v_now - v_settings.token_silence_limit then 'caller_silent' end
        when r.pool = 'api' then
          case when r.last_sign < v_now - v_settings.api_silence_limit then 'caller_silent' end
        when r.last_sign < v_now - v_settings.gpu_silence_limit then 'worker_silent'
        when r.delivered_at is null and r.runs_since < v_now - v_settings.undelivered_limit then 'never_delivered'
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
          '%s %s gave no sign for %s s', case when j.token_id is null then 'worker' else 'the user''s machine' end, queue.sent_name(j.worker_id),
          queue.seconds_between(case when j.token_id is null then j.last_sign else j.last_report end, v_now)
        )
        when 'token_ended' then pg_catalog.format('the token of the user''s machine %s was revoked or has expired', queue.sent_name(j.worker_id))
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
  'Running tasks to be put back and why: the worker''s row says it has ended, the worker is silent (gpu_silence_limit; api_silence_limit; token_silence_limit), no worker at all, a token that is accepted no more, the timeout of the task or its type, or never delivered (undelivered_limit). Orchestrators that only wait for their children are none.';

revoke all on function queue.lost_tasks() from public, anon, authenticated, service_role;

-- Puts running tasks back, each with its reason, in one statement: so their owners are locked once, in order. What has
-- reported, ended or changed hands since it was looked at is left alone, and so is what somebody is just changing.
create or replace function queue.put_back(p_lost queue.lost_task[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_count integer;
begin
  -- A task that never reached its worker, or whose worker was shut out, gets its start back (queue.tasks_before_update).
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
    attempts = t.attempts - (l.cause in ('never_delivered', 'token_ended'))::integer,
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
  'Puts these tasks back into the queue (or ends them Failed after their last start) with their reasons, and returns how many; the start of one that was never delivered, or whose token has ended, is not counted.';

revoke all on function queue.put_back(queue.lost_task[]) from public, anon, authenticated, service_role;

-- Takes work back from those who will not finish it. Runs every minute, and from a claim that finds nothing while the
-- job is late. Silent workers are set to error first, so that they get no more work and an orchestrator sees why.
create or replace function queue.rescue(p_limit integer default 1000)
returns json
language plpgsql
volatile
security definer -- changes workers and leases for pg_cron, claims and the operator
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
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

  perform queue.watch_clock();
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
      and coalesce(
        queue.seen_at(w.last_heartbeat, queue.now()) < queue.now() - (select s.gpu_silence_limit from queue.settings as s), true
      )
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
create or replace function queue.workers_after_write()
returns trigger
language plpgsql
security definer -- puts tasks back on behalf of any caller who may write workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_ended text[];
begin
  if current_setting('queue.rescues', true) = 'on' then
    return null;
  end if;
  -- A beat writes its worker's row: it must not pay for the triggers of tasks, which run for no rows, too.
  v_ended := array(
    select n.id
    from new_rows as n
      full join old_rows as o on o.id = n.id -- never compares each with each, see queue.tasks_after_update
    where coalesce(n.status in ('terminated', 'error', 'crashed') and o.status is distinct from n.status, false)
  );
  if cardinality(v_ended) = 0 then
    return null;
  end if;

  update public.tasks as t
  set status = 'Queued',
    error_message = pg_catalog.format(
      'Start %s ended without a result: worker %s is %s%s',
      greatest(t.attempts, 1), t.worker_id, n.status, coalesce(' (' || (n.metadata ->> 'error_reason') || ')', '')
    )
  from new_rows as n
  where n.id = any (v_ended)
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

-- A machine whose token is taken back can report nothing any more, so its tasks go back at once. Tokens that expire or
-- are deleted, and a claim that was under way, are seen by the rescue within a minute.
create or replace function queue.user_api_tokens_after_update()
returns trigger
language plpgsql
security definer -- puts tasks back on behalf of any caller who may revoke
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_lost queue.lost_task[];
begin
  select array_agg((
    t.id, t.lease_token, t.reported_at, t.worker_id, 'token_ended',
    pg_catalog.format(
      'Start %s ended without a result: the token of the user''s machine %s was revoked',
      greatest(t.attempts, 1), queue.sent_name(t.worker_id)
    )
  )::queue.lost_task)
  into v_lost
  from new_rows as n
    join old_rows as o on o.id = n.id
    join public.tasks as t on t.token_id = n.id -- of those that run, which have an index
  where n.revoked_at is not null
    and o.revoked_at is null
    and t.status = 'In Progress'
    and not queue.needs_no_worker(t);
  if v_lost is not null then
    perform queue.put_back(v_lost);
  end if;
  return null;
end;
$$;

comment on function queue.user_api_tokens_after_update() is
  'Trigger: the running tasks of tokens that have just been revoked go back to the queue; that start is not counted.';

revoke all on function queue.user_api_tokens_after_update() from public, anon, authenticated, service_role;

-- The names that users' own machines hold tasks under are nobody else's.
create or replace function queue.refuse_name_of_a_token(p_worker_id text)
returns void
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if starts_with(p_worker_id, 'token:') then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('A worker of the fleet may not be called %s: names that begin with token: are those of tokens', left(p_worker_id, 100)),
      'Send another worker_id'
    );
  end if;
end;
$$;

comment on function queue.refuse_name_of_a_token(text) is
  'Raises 400 INVALID_ARGUMENT when a name begins as those of users'' own machines do.';

revoke all on function queue.refuse_name_of_a_token(text) from public, anon, authenticated, service_role;

-- Ready tasks of one user that have grown stale, a batch at a time. Call it under the user's lock.
create or replace function queue.set_stale_tasks_aside(p_user_id uuid, p_pool text)
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
      and queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
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

-- Under which name a caller's worker holds tasks. Owners see the ids of the fleet's workers, so a token's worker has its
-- token before its name: nobody else can hold anything under that, and it can hold nothing under anybody else's.
create or replace function queue.holder_name(p_caller queue.caller, p_worker_id text)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if p_caller.kind = 'token' then
    return queue.caller_name(p_caller) || ':' || p_worker_id;
  end if;
  perform queue.refuse_name_of_a_token(p_worker_id);
  return p_worker_id;
end;
$$;

comment on function queue.holder_name(queue.caller, text) is
  'The worker_id that tasks get: token:<token id>:<name> for a token, the name itself for a service key, which may not begin with token: (400 INVALID_ARGUMENT).';

revoke all on function queue.holder_name(queue.caller, text) from public, anon, authenticated, service_role;

-- Whose due tasks a claim of the fleet releases: owners who may run one now. A task whose owner may run none waits for the
-- sweep, and no claim looks at it twice. However much is due, this stays one short look, or one step into an index for
-- each owner who has something waiting for a time.
create or replace function queue.owners_to_release(p_pool text)
returns uuid[]
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_few constant integer := 100;
  v_now timestamptz := queue.now();
  v_due integer;
  v_owners uuid[];
begin
  select count(*), array_agg(distinct d.user_id) filter (where d.pool = p_pool and d.run_type = 'cloud')
  into v_due, v_owners
  from (
    select t.user_id, t.pool, t.run_type
    from public.tasks as t
    where t.standing = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    limit v_few
  ) as d;

  if v_due < v_few then
    return array(
      select s.user_id from queue.user_slots as s where s.user_id = any (v_owners) and s.cloud_reason is null
    );
  end if;

  -- Many are due at once. Those who are due first may all belong to one owner, so owners are asked, in turn.
  return array(
    select s.user_id
    from queue.blocked_tasks as b
      join queue.user_slots as s on s.user_id = b.user_id
      left join queue.user_lines as l on l.user_id = b.user_id and l.pool = p_pool
    where b.pool = p_pool
      and b.reason = 'not_yet'
      and b.is_cloud
      and b.task_count > 0
      and s.cloud_reason is null
      -- In the order of the index that has it all: without an order another one may look as good to a planner.
      and (
        select true
        from public.tasks as t
        where t.user_id = b.user_id
          and t.pool = p_pool
          and t.run_type = 'cloud'
          and t.standing = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit 1
      )
    order by s.running, l.turn_at
    limit v_few
  );
end;
$$;

comment on function queue.owners_to_release(text) is
  'Up to 100 owners of due cloud tasks in the pool who could run one now, those whose turn it is first; empty when there are none.';

revoke all on function queue.owners_to_release(text) from public, anon, authenticated, service_role;

-- A worker's name as it was sent, for replies and texts that its owner reads.
create or replace function queue.sent_name(p_worker_id text)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return regexp_replace(p_worker_id, '^token:[0-9a-f-]{36}:', '');
end;
$$;

comment on function queue.sent_name(text) is 'The name without the token that queue.holder_name has put before it.';

revoke all on function queue.sent_name(text) from public, anon, authenticated, service_role;

-- The task of a user that should run next, locked. Call it under the user's lock: what is ready and whether the user has
-- a free slot cannot change then, and is looked at again here.
create or replace function queue.lock_head_of_line(
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
    select h.id, h.created_at, h.available_at, h.released_at, h.attempts, h.claimed_at, h.params
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
    elsif queue.is_stale(greatest(v_head.created_at, v_head.available_at, v_head.released_at), v_head.attempts > 0 or v_head.claimed_at is not null, v_head.params) then
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
        and not queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
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

-- Tasks whose available_at has come, of users who could run one now: of each the most urgent first, and of each some, so
-- that neither a user with ten thousand nor an earlier time comes before a priority or a turn. Who is just being served
-- is passed over: nobody is waited for here.
create or replace function queue.release_due_tasks(p_pool text, p_caller queue.caller)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_batch constant integer := 100;
  v_now timestamptz := queue.now();
  v_owners uuid[];
  v_due uuid[];
begin
  if p_caller.user_id is null then
    v_owners := queue.owners_to_release(p_pool);
  else
    v_owners := array(
      select s.user_id from queue.user_slots as s where s.user_id = p_caller.user_id and s.local_reason is null
    );
  end if;
  if cardinality(v_owners) = 0 then
    return 0;
  end if;

  v_owners := array(
    select s.user_id from queue.user_slots as s where s.user_id = any (v_owners) order by s.user_id for no key update skip locked
  );
  v_due := array(
    select d.id
    from unnest(v_owners) as o (user_id)
      cross join unnest(case when p_caller.user_id is null then array['cloud'] else array['cloud', 'local'] end) as y (run_type)
      cross join lateral (
        select t.id
        from public.tasks as t
        where t.user_id = o.user_id
          and t.pool = p_pool
          and t.run_type = y.run_type
          and t.standing = 'not_yet'
          and t.available_at <= v_now
        order by t.priority desc, t.available_at
        limit greatest(v_batch / cardinality(v_owners), 1)
        for no key update skip locked
      ) as d
  );

  if cardinality(v_due) > 0 then
    perform queue.ask_standing_again(v_due);
  end if;
  return cardinality(v_due);
end;
$$;

comment on function queue.release_due_tasks(text, queue.caller) is
  'Makes tasks ready whose available_at has come and whose owner could run one now: some 100, of up to 100 owners, of each the most urgent (for a token: the owner''s own); returns how many.';

revoke all on function queue.release_due_tasks(text, queue.caller) from public, anon, authenticated, service_role;

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
  where queue.sent_name(p_worker_id) <> all (s.shared_worker_ids);

  if v_limit is null then
    return null;
  end if;

  -- Two claims at once under one name: the second waits here and then sees what the first got.
  perform pg_advisory_xact_lock(
    hashtextextended('queue.holder::' || p_worker_id, 0)
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
      'Given up after %s starts: worker %s claimed again without finishing it', v_held.attempts, queue.sent_name(p_worker_id)
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
create or replace function queue.repeat_claim(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text)
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
  perform pg_advisory_xact_lock(hashtextextended('queue.claim:' || p_worker_id || ':' || p_claim_id, 0));

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
  elsif v_task.pool <> p_pool then
    perform queue.refuse(
      409, 'CLAIM_ID_USED',
      pg_catalog.format('claim_id %s was already answered, with a task of the pool %s', p_claim_id, v_task.pool),
      'Use a new claim_id for a claim of another pool'
    );
  end if;
  return v_task;
end;
$$;

comment on function queue.repeat_claim(queue.caller, text, text, text) is
  'The running task that this claim request was answered with, or null when it is new; 409 CLAIM_ID_USED when that task has ended or is of another pool.';

revoke all on function queue.repeat_claim(queue.caller, text, text, text) from public, anon, authenticated, service_role;

-- Looks for work until it has a task or knows that there is none. The first look passes over users whom somebody else
-- is just serving, the second waits for one. Each look is a subtransaction: one that does not end in a claim gives its
-- locks back, so that nobody ever waits while holding somebody's slots.
create or replace function queue.take_next_task(p_caller queue.caller, p_worker_id text, p_pool text, p_claim_id text, p_affinity queue.affinity, p_now timestamptz)
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
  if queue.release_due_tasks(p_pool, p_caller) > 0 then
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
            select t.id, t.attempts, greatest(t.created_at, t.available_at, t.released_at) as since
            from public.tasks as t
            where t.user_id = u.user_id
              and t.pool = p_pool
              and t.run_type = 'cloud'
              and t.standing = 'ready'
            order by t.priority desc, t.created_at, t.id
            limit 1
            for no key update skip locked
          ) as h on u.running < u.task_limit and (h.attempts > 0 or h.since >= v_old_before);
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
  -- By its key: joined, a plan from when the queue was small would go through all tasks.
  select t.*
  into v_task
  from public.tasks as t
  where t.id = (select n.task_id from queue.next_tasks(p_caller, p_pool, 1, v_turns) as n);

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

-- Every claim that is not plain (queue.claim_next_task): with a token, a claim_id, a model, work already held, tasks
-- that have just become due, users whom others are serving. One step at a time, each looked at under its lock.
create or replace function queue.claim_with_care(
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
  v_holder text;
  v_now timestamptz := queue.now();
  v_affinity queue.affinity;
  v_task public.tasks;
begin
  if coalesce(p_worker_id, '') = '' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A claim names its worker, worker_id is empty', 'Send a worker_id');
  elsif v_pool not in ('gpu', 'api') then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The run_type must be gpu or api, not %s', v_pool));
  end if;

  v_holder := queue.holder_name(v_caller, p_worker_id);

  -- The workers table is the fleet's: API workers are not in it, and a user's machine may choose any id.
  if v_caller.kind = 'service' and exists (select from public.workers as w where w.id = p_worker_id) then
    v_affinity := queue.affinity_of(p_worker_id, p_same_model_only, p_max_task_wait_minutes);
  end if;

  if p_dry_run then
    return queue.preview_claim(v_caller, v_pool);
  end if;

  if p_claim_id is not null then
    v_task := queue.repeat_claim(v_caller, v_holder, v_pool, p_claim_id);
    if v_task.id is not null then
      return queue.claim_reply(v_task);
    end if;
  end if;

  v_task := queue.give_back_held_task(v_caller, v_holder, v_pool, p_claim_id, v_now);
  while v_task.id is null loop
    if v_caller.kind = 'token' then
      v_task := queue.take_own_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    else
      v_task := queue.take_next_task(v_caller, v_holder, v_pool, p_claim_id, v_affinity, v_now);
    end if;
    -- Once more if the job that puts work back is late and this claim has done its work.
    exit when v_task.id is null and queue.rescue_when_late() = 0;
  end loop;

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
  if p_caller ->> 'kind' = 'service' and p_worker_id <> '' and not starts_with(p_worker_id, 'token:') and v_pool in ('gpu', 'api')
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
        -- Nothing is due, or nothing that a claim would release. Few ever ask the second.
        and (
          not exists (
            select from public.tasks as t
            where t.standing = 'not_yet' and t.available_at <= pg_catalog.now() + c.clock_offset
          )
          or cardinality(queue.owners_to_release(v_pool)) = 0
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
          select t.id, t.attempts, greatest(t.created_at, t.available_at, t.released_at) as since
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
        and (h.attempts > 0 or h.since >= v_old_before)
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

-- Deletes what is kept for a time only and that no claim ever looks at: logs, ended tokens, records of pg_cron, history,
-- and of users who were deleted all of it.
create or replace function queue.purge_kept(p_limit integer, p_dry_run boolean)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
  v_logs bigint[];
  v_tokens uuid[];
  v_cron_runs bigint[];
  v_events bigint[];
  v_forgotten bigint[];
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

  v_cron_runs := array(
    select r.runid
    from cron.job_run_details as r
    where coalesce(r.end_time, r.start_time) < v_now - interval '7 days'
    limit p_limit
    for update skip locked
  );

  -- Ids grow with time: only the oldest need to be looked at.
  v_events := array(
    select o.id
    from (select e.id, e.at from public.task_events as e order by e.id limit p_limit) as o
    where o.at < v_now - v_settings.event_retention
  );

  -- What is told of users who are gone.
  v_forgotten := array(
    select f.id
    from queue.deleted_users as d
      cross join lateral (select e.id from public.task_events as e where e.user_id = d.user_id limit p_limit) as f
    where d.deleted_at <= v_now - v_settings.deleted_user_retention
    limit p_limit
  );

  if not p_dry_run then
    delete from public.system_logs as l where l.id = any (v_logs);
    delete from public.user_api_tokens as k where k.id = any (v_tokens);
    delete from cron.job_run_details as r where r.runid = any (v_cron_runs);
    delete from public.task_events as e where e.id = any (v_events || v_forgotten);
    delete from queue.blocked_tasks as b
    using queue.deleted_users as d
    where b.user_id = d.user_id
      and d.deleted_at <= v_now - v_settings.deleted_user_retention;
    delete from queue.deleted_users as d
    where d.deleted_at <= v_now - v_settings.deleted_user_retention
      and not exists (select from public.task_events as e where e.user_id = d.user_id);
  end if;
  return jsonb_build_object(
    'logs', cardinality(v_logs), 'tokens', cardinality(v_tokens), 'cron_runs', cardinality(v_cron_runs),
    'events', cardinality(v_events || v_forgotten)
  );
end;
$$;

comment on function queue.purge_kept(integer, boolean) is
  'Deletes up to p_limit each of logs, tokens, records of pg_cron and events that have been kept for long enough, and returns how many: {logs, tokens, cron_runs, events}. A dry run only counts.';

revoke all on function queue.purge_kept(integer, boolean) from public, anon, authenticated, service_role;

-- Whether a caller is the one who runs the task. A lease is no proof here: owners can read it. The service key speaks for
-- any worker of the fleet, because deployed workers do not say which one they are; a user who has signed in runs nothing.
create or replace function queue.is_holder(p_caller queue.caller, p_task public.tasks)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_caller.kind
    when 'service' then p_task.token_id is null
    when 'token' then p_task.token_id is not distinct from p_caller.token_id
    else false
  end;
end;
$$;

comment on function queue.is_holder(queue.caller, public.tasks) is
  'Whether this caller holds the running task: a token what was claimed with it, the service key what no token holds, a signed-in user nothing.';

revoke all on function queue.is_holder(queue.caller, public.tasks) from public, anon, authenticated, service_role;

-- Puts dead letters back into the queue: the one way out of a final state. The starts so far stay counted, and the task
-- gets as many more as its type allows.
create or replace function queue.requeue_tasks(
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
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_max constant integer := 1000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service']);
  v_limit integer := coalesce(p_limit, case when p_task_ids is null then 100 else v_max end);
  v_matching uuid[];
  v_ids uuid[];
  v_has_more boolean := false;
begin
  if v_limit not between 1 and v_max then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The limit must be 1 to %s, not %s', v_max, p_limit));
  elsif (p_task_ids is null) = (p_filter is null) then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'Name the tasks by their ids or by a filter, one of the two');
  end if;

  if p_task_ids is not null then
    -- All that are named or none: those that were left out would be thought to run.
    v_matching := array(select distinct x.id from unnest(p_task_ids) as x (id) where x.id is not null);
    if cardinality(v_matching) > v_limit then
      perform queue.refuse(
        400, 'INVALID_ARGUMENT',
        pg_catalog.format('One call puts at most %s tasks back, %s are named; none was put back', v_limit, cardinality(v_matching)),
        pg_catalog.format('Name at most %s at a time, or use a filter and repeat while has_more is true', v_max)
      );
    end if;
  else
    v_matching := array(select x.id from queue.dead_letters(p_filter, v_limit + 1) as x);
    v_has_more := cardinality(v_matching) > v_limit;
    v_matching := v_matching[:v_limit];
  end if;

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
    -- Not Failed or Cancelled, not there, or just being changed by somebody else.
    'passed_over', to_json(array(select m.id from unnest(v_matching) as m (id) where m.id <> all (coalesce(v_ids, array[]::uuid[])))),
    'has_more', v_has_more,
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

comment on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) is 'See public.requeue_tasks.';

revoke all on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) from public, anon, authenticated, service_role;

grant execute on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) to service_role;

-- Complete tasks that have nothing to show, and records that name another result than their task: from before the queue
-- recorded results itself, or from a hand in the tables. Nothing here can come about through the queue.
create or replace function queue.repair_generations(p_limit integer, p_dry_run boolean)
returns json
language plpgsql
volatile
security definer -- writes generation_created, which no API role may
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_missing uuid[];
  v_torn uuid[];
begin
  if p_limit is null or p_limit not between 1 and 10000 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The limit must be 1 to 10000');
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
    -- Perhaps: one more call finds out.
    'has_more', coalesce(greatest(cardinality(v_missing), cardinality(v_torn)) >= p_limit, false),
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

comment on function queue.repair_generations(integer, boolean) is 'See public.repair_generations.';

revoke all on function queue.repair_generations(integer, boolean) from public, anon, authenticated, service_role;

grant execute on function queue.repair_generations(integer, boolean) to service_role;

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
  -- A task that waits in the queue again is tried again already; and putting one back is its holder's.
  v_applies boolean := case
    when p_task.status = 'In Progress' then not p_may_retry or p_caller.kind = 'service' or queue.is_holder(p_caller, p_task)
    else p_task.status = 'Queued' and not p_may_retry
  end;
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

  if p_has_lease and p_task.status in ('Queued', 'Cancelled') then
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
  'Ends a locked task as Failed with this reason; puts it back with a wait when p_may_retry, attempts are left and its type is retried; or only records the report when the task has ended, a former holder may be speaking, or somebody who does not hold it wants it tried again.';

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

  v_task := queue.lock_task_for(v_caller, p_task_id, case
    when p_status in ('Failed', 'Cancelled') then p_status
    when p_status = 'In Progress' and queue.has_nothing_to_enqueue(p_output_location) then 'Complete'
  end);
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
  elsif p_status in ('In Progress', 'Queued') and v_caller.kind <> 'service' and not queue.is_holder(v_caller, v_task) then
    -- What is billed, and how often it is tried, is not for the owner to say.
    perform queue.refuse(
      409, 'NOT_THE_HOLDER',
      pg_catalog.format('Task %s is run by another worker, which alone reports its progress and hands it back', v_task.id),
      'Cancel it, or complete it, if it is yours'
    );
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
    perform queue.note_enqueued(v_task.id, p_output_location);
    select t.* into v_task from public.tasks as t where t.id = v_task.id;
  end if;
  return queue.report_reply(v_task, true);
end;
$$;

comment on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) is
  'See public.update_task_status.';

revoke all on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) from public, anon, authenticated, service_role;

grant execute on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) to service_role;

-- What would have to change for a task to run, in words.
create or replace function queue.remedy(p_reason text)
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
    when 'stale' then 'Enqueue it again: it could have run for longer than queue.settings.stale_after and was never started'
    when 'token_ended' then 'Nothing: the token of its machine was revoked or has expired, so it is put back within a minute'
    when 'In Progress' then 'Nothing: it is running'
    else 'Nothing: it has ended'
  end;
end;
$$;

comment on function queue.remedy(text) is
  'What would have to change for a task with this reason (or ready, or this status) to run.';

revoke all on function queue.remedy(text) from public, anon, authenticated, service_role;

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
      select 'WORK_OLDER_THAN_A_DAY', pg_catalog.format('The oldest claimable task could run since %s', p_oldest)
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

-- Queued tasks whose stored standing is out of date because time has passed and nothing else: due now, or grown stale.
-- Claims and the sweep put them right; who only reads takes them into account with this.
-- When very many are due at once, it takes some of each owner's: the sweep puts the rest right.
create or replace function queue.overtaken_by_time(p_user_id uuid)
returns setof queue.load_change
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_many constant integer := 1000;
  v_per_line integer;
  v_now timestamptz := queue.now();
  v_stale_before timestamptz := queue.stale_before();
begin
  if p_user_id is null then
    -- As many as nearly always are due can be looked at in the order of their time.
    perform
    from public.tasks as t
    where t.standing = 'not_yet'
      and t.available_at <= v_now
    order by t.available_at
    offset v_many
    limit 1;
    if found then
      select greatest(v_many / greatest(count(*), 1), 10)
      into v_per_line
      from queue.blocked_tasks as b
      where b.reason = 'not_yet'
        and b.task_count > 0;
    end if;
  else
    v_per_line := v_many;
  end if;

  return query
  with due as (
    select t as task
    from public.tasks as t
    where v_per_line is null
      and t.standing = 'not_yet'
      and t.available_at <= v_now
    union all
    select d.task
    from queue.blocked_tasks as b
      cross join lateral (
        select q as task
        from public.tasks as q
        where q.user_id = b.user_id
          and q.pool = b.pool
          and q.run_type = case when b.is_cloud then 'cloud' else 'local' end
          and q.standing = 'not_yet'
          and q.available_at <= v_now
        order by q.priority desc, q.available_at
        limit v_per_line
      ) as d
    where v_per_line is not null
      and b.reason = 'not_yet'
      and b.task_count > 0
      and (p_user_id is null or b.user_id = p_user_id)
  ),
  overtaken as (
    select
      (d.task).user_id, (d.task).pool, (d.task).run_type, (d.task).takes_slot, (d.task).standing as stood,
      -- The rule is asked where more than the time could hold the task back.
      case
        when (d.task).dependant_on is null and (
          (d.task).attempts > 0 or greatest((d.task).created_at, (d.task).available_at, (d.task).released_at) >= v_stale_before
        ) then 'ready'
        else queue.task_standing(d.task)
      end as stands
    from due as d
    union all
    select t.user_id, t.pool, t.run_type, t.takes_slot, t.standing, 'stale'
    from public.tasks as t
    where t.standing = 'ready'
      and t.attempts = 0
      and t.claimed_at is null
      and greatest(t.created_at, t.available_at, t.released_at) < v_stale_before
      and (p_user_id is null or t.user_id = p_user_id)
      and queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
  )
  select o.user_id, o.pool, o.run_type = 'cloud', o.takes_slot, c.standing, sum(c.delta)::integer
  from overtaken as o
    cross join lateral (values (o.stood, -1), (o.stands, 1)) as c (standing, delta)
  group by o.user_id, o.pool, o.run_type, o.takes_slot, c.standing;
end;
$$;

comment on function queue.overtaken_by_time(uuid) is
  'By how much the derived counters are behind because only time has changed where queued tasks stand; of one owner, or of all (null). Of a thousand due tasks and more, some of each owner.';

revoke all on function queue.overtaken_by_time(uuid) from public, anon, authenticated, service_role;

-- The tasks that claims would hand out next, whose turn it is first: filtered before they are cut. p_turns are the
-- first users in turn, at least p_limit of them where there are so many.
create or replace function queue.next_tasks(p_caller queue.caller, p_pool text, p_limit integer, p_turns queue.user_load_row[])
returns table (task_id uuid, task_type text, user_id uuid, created_at timestamptz, since timestamptz)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_now timestamptz := queue.now();
  v_old_before timestamptz := queue.stale_before();
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
  select t.id, t.task_type, t.user_id, t.created_at, t.since
  from (
    select c.*, row_number() over (partition by c.user_id order by c.priority desc, c.created_at, c.id) as k
    from (
      -- One pool and run type at a time: each comes from the index in the order of the line.
      select r.id, r.task_type, r.created_at, r.since, r.priority, u.user_id, u.running, u.turn_at, u.task_count
      from round as u
        cross join unnest(v_pools) as l (pool)
        cross join unnest(v_run_types) as y (run_type)
        cross join lateral (
          select q.id, q.task_type, q.created_at, greatest(q.created_at, q.available_at, q.released_at) as since, q.priority
          from public.tasks as q
          where q.user_id = u.user_id
            and q.pool = l.pool
            and q.run_type = y.run_type
            and q.standing = 'ready'
            -- Asked only where the answer could be yes.
            and (q.attempts > 0 or greatest(q.created_at, q.available_at, q.released_at) >= v_old_before or not queue.is_stale(greatest(q.created_at, q.available_at, q.released_at), q.attempts > 0 or q.claimed_at is not null, q.params))
          order by q.priority desc, q.created_at, q.id
          limit u.task_count
        ) as r
      union all
      -- Due, but not yet released by a claim.
      select
        (d.task).id, (d.task).task_type, (d.task).created_at,
        greatest((d.task).created_at, (d.task).available_at, (d.task).released_at), (d.task).priority, u.user_id, u.running, u.turn_at, u.task_count
      from round as u
        cross join unnest(v_pools) as l (pool)
        cross join unnest(v_run_types) as y (run_type)
        cross join lateral (
          select q as task
          from public.tasks as q
          where q.user_id = u.user_id
            and q.pool = l.pool
            and q.run_type = y.run_type
            and q.standing = 'not_yet'
            and q.available_at <= v_now
          order by q.priority desc, q.available_at
          limit u.task_count + 100 -- some may have another reason to wait
        ) as d
      where queue.task_standing(d.task) = 'ready'
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
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
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
    coalesce(json_agg(to_jsonb(t) - 'since'), '[]'),
    count(*),
    min(t.since)
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
    (select json_strip_nulls(json_agg(a)) from (
      select
        r.task_id, r.task_type, r.started_at,
        case v_caller.kind when 'service' then r.worker_id else queue.sent_name(r.worker_id) end as worker_id
      from running as r
    ) as a),
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
create or replace function queue.load_summary(p_caller queue.caller, p_pool text)
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
        and t.claimed_at is null
        and greatest(t.created_at, t.available_at, t.released_at) < queue.stale_before()
    ) then
    v_sum.overtaken := array(select o from queue.overtaken_by_time(p_caller.user_id) as o);
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

-- Since when the oldest task waits that a claim could come to. The list of next tasks has the oldest of each user in it;
-- where the list was cut, older ones may stand behind it: those are looked for among the oldest never started.
create or replace function queue.oldest_claimable(p_caller queue.caller, p_pool text, p_listed timestamptz, p_was_cut boolean)
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

  v_old_before := queue.stale_before();
  return least(p_listed, (
    select o.since
    from (
      select t.user_id, t.pool, t.run_type, greatest(t.created_at, t.available_at, t.released_at) as since, t.params
      from public.tasks as t
      where t.standing = 'ready'
        and t.attempts = 0
        and t.claimed_at is null
        and greatest(t.created_at, t.available_at, t.released_at) < p_listed
      order by greatest(t.created_at, t.available_at, t.released_at)
      limit v_look_at
    ) as o
    where (p_pool is null or o.pool = p_pool)
      and case
        when p_caller.user_id is not null then o.user_id = p_caller.user_id
        else o.run_type = 'cloud'
          and (select l.is_open from queue.user_lines as l where l.user_id = o.user_id and l.pool = o.pool)
      end
      -- Asked only where the answer could be yes.
      and (o.since >= v_old_before or not queue.is_stale(o.since, false, o.params))
    order by o.since
    limit 1
  ));
end;
$$;

comment on function queue.oldest_claimable(queue.caller, text, timestamptz, boolean) is
  'Since when the oldest claimable task could run: the older of the oldest in the list and, if the list was cut, of the 200 oldest tasks that were never started.';

revoke all on function queue.oldest_claimable(queue.caller, text, timestamptz, boolean) from public, anon, authenticated, service_role;

-- What time alone changes, once a minute: work that has become due, work that has grown stale, and a sample of the
-- counts. Bounded and safe to run twice or in parallel: rows that somebody holds are left for the next time.
create or replace function queue.sweep(p_limit integer default 1000)
returns json
language plpgsql
volatile
security definer -- writes derived state for pg_cron and the operator
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := queue.now();
  v_stale_before timestamptz := queue.stale_before();
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
      and t.claimed_at is null
      and greatest(t.created_at, t.available_at, t.released_at) < v_stale_before
      and queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params)
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
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
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
  v_old_before timestamptz := queue.stale_before();
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
        and (t.attempts > 0 or greatest(t.created_at, t.available_at, t.released_at) >= v_old_before or not queue.is_stale(greatest(t.created_at, t.available_at, t.released_at), t.attempts > 0 or t.claimed_at is not null, t.params))
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
    'remedy', queue.remedy(coalesce(
        v_reason,
        case
          when v_task.status = 'Queued' then 'ready'
          when v_task.status = 'In Progress' and v_task.token_id is not null and not exists (
            select
            from public.user_api_tokens as k
            where k.id = v_task.token_id
              and k.revoked_at is null
              and (k.expires_at is null or k.expires_at > v_now)
          ) then 'token_ended'
          else v_task.status
        end
      ))
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
    'worker_id', case v_caller.kind when 'service' then v_task.worker_id else queue.sent_name(v_task.worker_id) end,
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
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
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
  where queue.sent_name(p_worker_id) <> all (s.shared_worker_ids);

  select
    count(*),
    coalesce(json_agg(json_build_object('task_id', t.id, 'task_type', t.task_type, 'claimed_at', t.claimed_at)), '[]')
  into v_held_count, v_held
  from public.tasks as t
  where t.worker_id = case v_caller.kind when 'token' then queue.holder_name(v_caller, p_worker_id) else p_worker_id end
    and t.status = 'In Progress'
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

-- The tasks that name another one as their orchestrator. A family that the queue keeps count of is listed; one that had
-- ended before the queue did so, and one that has no child yet, is looked for among its owner's tasks since then. A day
-- more, because clocks are set back.
create or replace function queue.children_of(
  p_orchestrator public.tasks, p_limit integer, p_after_time timestamptz default null, p_after_id uuid default null
)
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
      and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
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
    and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
  order by t.created_at, t.id
  limit p_limit;
end;
$$;

comment on function queue.children_of(public.tasks, integer, timestamptz, uuid) is
  'Up to so many tasks of the same owner whose params name this one as their orchestrator, oldest first; only those after this time and id, if they are given.';

revoke all on function queue.children_of(public.tasks, integer, timestamptz, uuid) from public, anon, authenticated, service_role;

-- Whether the queue looks after itself: its jobs run, its counters agree. What the fleet does is in worker_health, what
-- waits in task_counts.
create or replace function queue.health(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
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

-- Starts and time of a task are machines' time: an owner may ask for less than the type allows, never for more.
create or replace function queue.refuse_raised_limits(p_caller queue.caller, p_request queue.task_request)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max_attempts integer;
  v_timeout interval;
begin
  if p_caller.kind = 'service' then
    return;
  end if;

  v_max_attempts := queue.max_attempts(p_request.task_type);
  if p_request.max_attempts > v_max_attempts then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The max_attempts of a task of type %s must be at most %s, not %s',
        p_request.task_type, v_max_attempts, p_request.max_attempts
      ),
      'Leave it out for the type''s'
    );
  end if;

  select y.timeout into v_timeout from public.task_types as y where y.name = p_request.task_type;
  if make_interval(secs => p_request.timeout_seconds) > v_timeout then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The timeout_seconds of a task of type %s must be at most %s, not %s',
        p_request.task_type, extract(epoch from v_timeout)::bigint, p_request.timeout_seconds
      ),
      'Leave it out for the type''s'
    );
  end if;
end;
$$;

comment on function queue.refuse_raised_limits(queue.caller, queue.task_request) is
  'Raises 400 INVALID_ARGUMENT when a user or token asks for more starts or a longer timeout than the task''s type allows.';

revoke all on function queue.refuse_raised_limits(queue.caller, queue.task_request) from public, anon, authenticated, service_role;

-- Enqueues tasks, all of them or none (docs/architecture.md, "Enqueuing"). What was enqueued before, under the same id
-- or key, is answered as it is now: the reply to the first request may have been lost.
create or replace function queue.create_tasks(p_caller jsonb, p_tasks jsonb)
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
      perform queue.refuse_raised_limits(v_caller, v_request);
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

-- One sign of life of a worker. Time is the database's; what the row already knows stays, whoever writes at the same
-- moment, because nothing is read before it is written.
create or replace function queue.beat(p_worker_id text, p_status text, p_vram_total json, p_vram_used json, p_now timestamptz)
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

  perform queue.refuse_name_of_a_token(p_worker_id);

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

-- Orchestrators read a worker, think, and PATCH status and metadata whole. What a beat wrote in between must survive
-- that, and so must the id of the rented machine: without it nobody can switch that machine off.
create or replace function queue.workers_before_write()
returns trigger
language plpgsql
security definer -- asks who is behind the change on behalf of any caller who may write
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if tg_op = 'INSERT' then
    perform queue.refuse_name_of_a_token(new.id);
  end if;
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

-- Queued tasks that will never run or that nobody waits for any more, and why: what the cleanup cancels.
create or replace function queue.tasks_to_cancel(p_limit integer)
returns table (task_id uuid, created_at timestamptz, reason text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_old_before timestamptz := queue.stale_before();
  v_found integer;
begin
  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select queue.reason_to_cancel(t) as reason) as r
  where t.standing in ('no_owner', 'no_run_type', 'type_inactive', 'stale')
    and t.created_at < v_old_before
    and r.reason is not null
  order by t.created_at
  limit p_limit;
  get diagnostics v_found = row_count;

  -- The index knows both kinds by age alone: not past all of the first for a few of the second. They come next time.
  if v_found = p_limit then
    return;
  end if;
  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select queue.reason_to_cancel(t) as reason) as r
  where t.standing = 'dependency_lost'
    and r.reason is not null
  order by t.created_at
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_cancel(integer) is
  'Up to p_limit tasks that the cleanup would cancel because they were never started and are too old; if those are fewer, also up to p_limit that wait for what cannot come. Each with the reason (queue.reason_to_cancel).';

revoke all on function queue.tasks_to_cancel(integer) from public, anon, authenticated, service_role;

-- Deletes what is kept for a time only: logs, tokens that have ended, what pg_cron wrote about its runs, and, when the
-- settings say so, history and finished tasks. Rows that somebody holds are left for the next time.
create or replace function queue.purge(p_limit integer default 5000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- deletes for pg_cron and the operator
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_tasks uuid[] := array(select t.id from queue.tasks_to_purge(p_limit) as t);
begin
  if p_dry_run then
    return queue.purge_kept(p_limit, true) || jsonb_build_object(
      'tasks', cardinality(v_tasks),
      'due', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'task_id', t.id, 'status', t.status, 'reason', pg_catalog.format('Finished, not changed since %s', coalesce(t.updated_at, t.created_at))
        ) order by t.updated_at), '[]')
        from public.tasks as t
        where t.id = any (v_tasks)
      ),
      'dry_run', true
    );
  end if;
  return queue.purge_kept(p_limit, false) || jsonb_build_object('tasks', queue.purge_tasks(v_tasks), 'dry_run', false);
end;
$$;

comment on function queue.purge(integer, boolean) is
  'Deletes up to p_limit each of: logs older than log_retention, tokens that ended 30 days ago, records of pg_cron older than 7 days, history older than event_retention or of users deleted longer than deleted_user_retention ago, finished tasks older than finished_task_retention (event_retention and this one are off while null). Returns {logs, tokens, cron_runs, events, tasks, dry_run}; a dry run changes nothing, counts, and lists the tasks: due: [{task_id, status, reason}].';

revoke all on function queue.purge(integer, boolean) from public, anon, authenticated, service_role;

grant execute on function queue.purge(integer, boolean) to service_role;

-- Takes a personal access token back, effective at its next use. What its machine holds is put back by the trigger.
create or replace function queue.revoke_api_token(p_token_id uuid)
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

create or replace function public.revoke_api_token(p_token_id uuid)
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

-- Dead letters back into the queue, as operators call it (docs/operations.md).
create or replace function public.requeue_tasks(
  p_task_ids uuid[] default null,
  p_filter jsonb default null,
  p_limit integer default null,
  p_reason text default null,
  p_dry_run boolean default false,
  p_caller jsonb default '{"kind":"service"}'
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.requeue_tasks(p_caller, p_task_ids, p_filter, p_limit, p_reason, p_dry_run);
end;
$$;

comment on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) is
  'Puts Failed or Cancelled tasks back into the queue, named by ids or by a filter {status, task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before}; all of the ids (at most 1000 at once, or p_limit: more are refused before anything changes), or of a filter at most p_limit (1 to 1000, default 100) per call, the longest dead first: has_more says that others match, too. Each keeps its attempts and gets as many more as its type allows; the reason is in its history. Out: {requeued, matched, task_ids, passed_over, has_more, dry_run}; passed_over are those that are not Failed or Cancelled, not there, or that somebody is just changing. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) to service_role;

-- Results that were never recorded, as operators mend them (docs/operations.md).
create or replace function public.repair_generations(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.repair_generations(p_limit, p_dry_run);
end;
$$;

comment on function public.repair_generations(integer, boolean) is
  'Finds Complete tasks of a type that records generations which have none, and generations whose location is not their task''s output, up to p_limit of each (1 to 10000; has_more says that another call may find more), and mends them. Safe to repeat. Out: {missing, torn, task_ids, has_more, dry_run}. Errors: 400 INVALID_ARGUMENT. service_role only.';

revoke all on function public.repair_generations(integer, boolean) from public, anon, authenticated, service_role;

grant execute on function public.repair_generations(integer, boolean) to service_role;

-- Gives a project to another user with all that belongs to it, in one transaction: tasks, results, history, families and
-- what is counted. Not while something of it runs, because that takes a slot of the former owner's and is paid by them;
-- and not where it would part tasks that belong together, which are only of one owner.
create or replace function queue.move_project(p_caller jsonb, p_project_id uuid, p_user_id uuid)
returns json
language plpgsql
volatile
security definer -- writes the owner of tasks, which no API role may
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service']);
  v_from uuid;
  v_tasks uuid[];
  v_waiting uuid[];
  v_in_the_way record;
  v_generations integer;
begin
  select p.user_id into v_from from public.projects as p where p.id = p_project_id for update;
  if v_from is null then
    perform queue.refuse(404, 'PROJECT_NOT_FOUND', pg_catalog.format('There is no project %s', p_project_id));
  elsif not exists (select from public.users as u where u.id = p_user_id) then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('There is no user %s', coalesce(p_user_id::text, 'null')));
  elsif v_from = p_user_id then
    return json_build_object('project_id', p_project_id, 'user_id', p_user_id, 'tasks', 0, 'generations', 0);
  end if;

  v_tasks := array(
    select t.id from public.tasks as t where t.project_id = p_project_id order by t.id for no key update
  );
  perform from queue.user_slots as s where s.user_id in (v_from, p_user_id) order by s.user_id for no key update;

  select t.id
  into v_in_the_way
  from public.tasks as t
  where t.id = any (v_tasks)
    and t.status = 'In Progress'
  limit 1;
  if v_in_the_way.id is not null then
    perform queue.refuse(
      409, 'PROJECT_HAS_TASKS', pg_catalog.format('Task %s of the project is In Progress', v_in_the_way.id),
      'Wait until it has ended, or cancel it; what is queued moves along'
    );
  end if;

  -- Who waits for whom, and who is whose child, across the border of the project.
  select l.id, l.other
  into v_in_the_way
  from (
    select d.task_id as id, d.depends_on as other, d.task_id as bound
    from queue.task_dependencies as d
    where d.task_id = any (v_tasks) or d.depends_on = any (v_tasks)
    union all
    select s.task_id, s.orchestrator_id, b.id
    from queue.subtasks as s
      cross join lateral (values (s.task_id), (s.orchestrator_id)) as b (id)
    where s.task_id = any (v_tasks) or s.orchestrator_id = any (v_tasks)
  ) as l
    join public.tasks as t on t.id = l.id
    join public.tasks as o on o.id = l.other
    join public.tasks as b on b.id = l.bound
  where t.project_id <> o.project_id
    and t.user_id = o.user_id
    and b.status in ('Queued', 'In Progress')
  limit 1;
  if v_in_the_way.id is not null then
    perform queue.refuse(
      409, 'PROJECT_HAS_TASKS',
      pg_catalog.format('Task %s belongs to task %s, and only one of the two is in the project', v_in_the_way.id, v_in_the_way.other),
      'Wait until both have ended, or move both into one project first'
    );
  end if;

  perform queue.say(queue.caller_name(v_caller), 'moved with its project to another user');
  perform set_config('queue.moves_project', p_project_id::text, true);
  -- A key means the same request only among those of one owner.
  update public.tasks as t
  set user_id = p_user_id,
    idempotency_key = case
      when not exists (
        select from public.tasks as k where k.user_id = p_user_id and k.idempotency_key = t.idempotency_key
      ) then t.idempotency_key
    end
  where t.id = any (v_tasks);
  update queue.subtasks as s set user_id = p_user_id where s.task_id = any (v_tasks);
  update queue.orchestrations as o set user_id = p_user_id where o.orchestrator_id = any (v_tasks);
  update public.task_events as e set user_id = p_user_id where e.task_id = any (v_tasks);
  update public.generations as g set user_id = p_user_id where g.project_id = p_project_id;
  get diagnostics v_generations = row_count;
  update public.projects as p set user_id = p_user_id where p.id = p_project_id;

  -- One saw the others of the statement before they had moved.
  v_waiting := array(
    select t.id from public.tasks as t where t.id = any (v_tasks) and t.status = 'Queued' and t.dependant_on is not null
  );
  perform queue.ask_standing_again(v_waiting);

  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select t.id, t.user_id, queue.now(), t.status, t.status, t.worker_id, t.attempts, queue.actor(), 'moved with its project to another user'
  from public.tasks as t
  where t.id = any (v_tasks);
  perform set_config('queue.moves_project', '', true);
  perform queue.say(null);
  return json_build_object(
    'project_id', p_project_id, 'user_id', p_user_id, 'tasks', cardinality(v_tasks), 'generations', v_generations
  );
end;
$$;

comment on function queue.move_project(jsonb, uuid, uuid) is 'See public.move_project.';

revoke all on function queue.move_project(jsonb, uuid, uuid) from public, anon, authenticated, service_role;

grant execute on function queue.move_project(jsonb, uuid, uuid) to service_role;

-- A project changes hands with all that belongs to it, as operators call it (docs/operations.md).
create or replace function public.move_project(p_project_id uuid, p_user_id uuid, p_caller jsonb default '{"kind":"service"}')
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.move_project(p_caller, p_project_id, p_user_id);
end;
$$;

comment on function public.move_project(uuid, uuid, jsonb) is
  'Gives a project to another user, with its tasks, results, history, families and counters, in one transaction. Not while a task of it is In Progress, and not where a live task belongs to one of another project: 409 PROJECT_HAS_TASKS, and nothing is changed. Out: {project_id, user_id, tasks, generations}. Errors: 400 INVALID_ARGUMENT, 403, 404 PROJECT_NOT_FOUND. service_role only.';

revoke all on function public.move_project(uuid, uuid, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.move_project(uuid, uuid, jsonb) to service_role;

-- Log lines of orchestrators, which never try twice: what can be stored is stored, the rest is counted.
create or replace function queue.insert_logs_batch(p_body json)
returns json
language plpgsql
volatile
security definer -- the helpers that it calls are nobody's but the queue's
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_body json := queue.readable_json(p_body);
  v_logs json[];
  v_surplus integer;
  v_stored integer;
begin
  select b.logs, b.surplus
  into v_logs, v_surplus
  from queue.bounded_logs(case when json_typeof(v_body) = 'object' then v_body -> 'logs' else v_body end) as b;
  v_stored := queue.store_logs(v_logs, null, queue.now());

  return json_build_object(
    'success', true,
    'inserted', v_stored,
    'errors', cardinality(v_logs) - v_stored + v_surplus
  );
end;
$$;

comment on function queue.insert_logs_batch(json) is 'See public.func_insert_logs_batch.';

revoke all on function queue.insert_logs_batch(json) from public, anon, authenticated, service_role;

grant execute on function queue.insert_logs_batch(json) to service_role;

create or replace function public.func_insert_logs_batch(json)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.insert_logs_batch($1);
end;
$$;

comment on function public.func_insert_logs_batch(json) is
  'Stores log lines. The whole body: {logs: [{timestamp, source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata}]}. Out: {success, inserted, errors}. service_role only.';

revoke all on function public.func_insert_logs_batch(json) from public, anon, authenticated, service_role;

grant execute on function public.func_insert_logs_batch(json) to service_role;

-- The finished segments of a run, for the worker that puts them together.
create or replace function queue.get_completed_segments(p_caller jsonb, p_run_id text, p_project_id uuid, p_after_index integer)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 10000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
begin
  return (
    select coalesce(
      json_agg(
        json_build_object('segment_index', s.segment_index, 'output_location', s.output_location)
        order by s.segment_index
      ),
      '[]'
    )
    from (
      -- A segment that was made again: the newest counts.
      select distinct on (n.segment_index) n.segment_index, t.output_location
      from public.tasks as t
        cross join lateral (
          select substring(t.params ->> 'segment_index' from '^[0-9]{1,9}$')::integer
        ) as n (segment_index)
      where t.status = 'Complete'
        and t.task_type = 'travel_segment'
        and left(t.params ->> 'orchestrator_run_id', 128) = left(p_run_id, 128) -- as the index has it
        and t.params ->> 'orchestrator_run_id' = p_run_id
        and (v_caller.kind = 'service' or t.user_id = v_caller.user_id)
        and (p_project_id is null or t.project_id = p_project_id)
        and n.segment_index > coalesce(p_after_index, -1)
        and t.output_location <> ''
      order by n.segment_index, t.generation_processed_at desc nulls last, t.created_at desc, t.id
      limit v_most
    ) as s
  );
end;
$$;

comment on function queue.get_completed_segments(jsonb, text, uuid, integer) is 'See public.get_completed_segments.';

revoke all on function queue.get_completed_segments(jsonb, text, uuid, integer) from public, anon, authenticated, service_role;

grant execute on function queue.get_completed_segments(jsonb, text, uuid, integer) to service_role;

-- The tasks that an orchestrator has enqueued, so that it does not enqueue them twice.
create or replace function queue.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 1000;
  v_most_bytes constant integer := 32 * 1024 * 1024;
  v_orchestrator public.tasks := queue.readable_task(
    queue.resolve_caller(p_caller, array['service', 'token', 'user']), p_orchestrator_task_id
  );
  v_after_time timestamptz;
  v_after_id uuid;
  v_tasks json;
  v_found integer;
  v_told integer;
  v_last text;
begin
  if p_after is not null then
    begin
      v_after_time := split_part(p_after, ',', 1)::timestamp at time zone 'UTC';
      v_after_id := split_part(p_after, ',', 2)::uuid;
    exception when data_exception then
      perform queue.refuse(
        400, 'INVALID_ARGUMENT', 'after is not the next of an earlier reply',
        'Send next as it came, or leave after out to begin at the front'
      );
    end;
  end if;

  with child as (
    select c.*
    from queue.children_of(v_orchestrator, v_most + 1, v_after_time, v_after_id) as c
  ),
  -- Params may be large, and the reply is made in the memory of the database.
  measured as (
    select
      c.*,
      row_number() over in_order as place,
      sum(octet_length(c.params::text) + coalesce(octet_length(c.output_location), 0)) over in_order as bytes
    from child as c
    window in_order as (order by c.created_at, c.id)
  ),
  -- The first one always: whoever asks for the rest must come on.
  told as (
    select m.*, m.place <= v_most and (m.bytes <= v_most_bytes or m.place = 1) as is_told
    from measured as m
  )
  select
    coalesce(
      json_agg(
        json_build_object(
          'id', m.id, 'task_type', m.task_type, 'status', m.status, 'params', m.params,
          'output_location', m.output_location
        )
        order by m.place
      ) filter (where m.is_told),
      '[]'
    ),
    count(*),
    count(*) filter (where m.is_told),
    (array_agg(pg_catalog.format('%s,%s', m.created_at at time zone 'UTC', m.id) order by m.place desc) filter (where m.is_told))[1]
  into v_tasks, v_found, v_told, v_last
  from told as m;

  return json_build_object('tasks', v_tasks, 'is_cut', v_told < v_found, 'next', case when v_told < v_found then v_last end);
end;
$$;

comment on function queue.get_orchestrator_children(jsonb, uuid, text) is 'See public.get_orchestrator_children.';

revoke all on function queue.get_orchestrator_children(jsonb, uuid, text) from public, anon, authenticated, service_role;

grant execute on function queue.get_orchestrator_children(jsonb, uuid, text) to service_role;

-- The finished segments of a run, as functions ask it.
create or replace function public.get_completed_segments(
  p_caller jsonb, p_run_id text, p_project_id uuid default null, p_after_index integer default null
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_completed_segments(p_caller, p_run_id, p_project_id, p_after_index);
end;
$$;

comment on function public.get_completed_segments(jsonb, text, uuid, integer) is
  '[{segment_index, output_location}] of the Complete travel_segments whose params.orchestrator_run_id is p_run_id as text, in order, one per index, the newest; at most 10000, those above p_after_index. Tokens and users: their own. Errors: 403. service_role only.';

revoke all on function public.get_completed_segments(jsonb, text, uuid, integer) from public, anon, authenticated, service_role;

grant execute on function public.get_completed_segments(jsonb, text, uuid, integer) to service_role;

-- The tasks that an orchestrator has enqueued, as functions ask it.
create or replace function public.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_orchestrator_children(p_caller, p_orchestrator_task_id, p_after);
end;
$$;

comment on function public.get_orchestrator_children(jsonb, uuid, text) is
  '{tasks: [{id, task_type, status, params, output_location}], is_cut, next}: the tasks of the same owner whose params.orchestrator_task_id_ref is this task, oldest first; at most 1000 and 32 MiB, is_cut says that there are more, and next is the p_after that gets them. Errors: 400 INVALID_ARGUMENT, 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_orchestrator_children(jsonb, uuid, text) from public, anon, authenticated, service_role;

grant execute on function public.get_orchestrator_children(jsonb, uuid, text) to service_role;

-- A child that has taken the place of another one, which takes it back when this one is deleted (queue.leave_families):
-- nothing is lost with it. Not in the place of one that has failed: that one would count again, and end the job. Policies
-- ask this on behalf of roles that may read nothing else (queue.allow_anon_deletes).
create or replace function queue.is_spare_part(p_task_id uuid)
returns boolean
language plpgsql
stable
security definer -- asked on behalf of anon, which may not read families
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  return exists (select from queue.subtasks as s where s.replaced_by = p_task_id)
    and not exists (
      select
      from queue.subtasks as s
        join public.tasks as t on t.id = s.task_id
      where s.replaced_by = p_task_id and t.status = 'Failed'
    );
end;
$$;

comment on function queue.is_spare_part(uuid) is
  'Whether the task is a child in whose place another one, which has not failed, would count again. anon may execute it while its deletes are allowed.';

revoke all on function queue.is_spare_part(uuid) from public, anon, authenticated, service_role;

drop trigger if exists users_after_delete on public.users;

create trigger users_after_delete
  after delete on public.users
  for each row execute function queue.users_after_delete();

drop trigger if exists projects_before_update on public.projects;

create trigger projects_before_update
  before update of user_id on public.projects
  for each row
  when (new.user_id <> old.user_id)
  execute function queue.projects_before_update();

drop trigger if exists events_after_truncate on public.task_events;

create trigger events_after_truncate
  after truncate on public.task_events
  for each statement execute function queue.events_after_truncate();

drop trigger if exists refuse_truncate on public.task_types;

create trigger refuse_truncate after truncate on public.task_types for each statement execute function queue.refuse_truncate();

drop trigger if exists refuse_truncate on queue.settings;

create trigger refuse_truncate after truncate on queue.settings for each statement execute function queue.refuse_truncate();

drop trigger if exists refuse_truncate on queue.task_dependencies;

create trigger refuse_truncate after truncate on queue.task_dependencies for each statement execute function queue.refuse_truncate();

drop trigger if exists refuse_truncate on queue.subtasks;

create trigger refuse_truncate after truncate on queue.subtasks for each statement execute function queue.refuse_truncate();

drop trigger if exists refuse_truncate on queue.orchestrations;

create trigger refuse_truncate after truncate on queue.orchestrations for each statement execute function queue.refuse_truncate();

drop trigger if exists refuse_truncate on queue.user_slots;

create trigger refuse_truncate after truncate on queue.user_slots for each statement execute function queue.refuse_truncate();

drop trigger if exists refuse_truncate on queue.user_lines;

create trigger refuse_truncate after truncate on queue.user_lines for each statement execute function queue.refuse_truncate();

drop trigger if exists refuse_truncate on queue.blocked_tasks;

create trigger refuse_truncate after truncate on queue.blocked_tasks for each statement execute function queue.refuse_truncate();

drop trigger if exists tasks_after_truncate on public.tasks;

create trigger tasks_after_truncate
  after truncate on public.tasks
  for each statement execute function queue.tasks_after_truncate();

drop trigger if exists user_api_tokens_after_update on public.user_api_tokens;

create trigger user_api_tokens_after_update
  after update on public.user_api_tokens
  referencing old table as old_rows new table as new_rows
  for each statement execute function queue.user_api_tokens_after_update();
