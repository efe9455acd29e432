-- How much an owner may have: the owner's half of the one rule (how many tasks run at once), and the bounds of what is
-- queued and of projects, their number and their names.

-- What a user row allows, as stored in the user's slots: the owner's half of the one rule (docs/architecture.md).
-- Whatever updates the slots calls this; the task's own half is fairlane_core.task_readiness.
-- Returns the user_slots row that follows from a user row, the running tasks, the orchestration that needs a worker and
-- the attempts that are remembered.
create function fairlane_core.slots_of(
  p_user fairlane.owners, p_running integer, p_orchestrating integer, p_remembered integer
)
returns fairlane_core.user_slots
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_cloud jsonb := p_user.settings #> fairlane_core.switch_path('cloud');
  v_local jsonb := p_user.settings #> fairlane_core.switch_path('local');
  v_settings fairlane_core.settings;
  v_slots fairlane_core.user_slots;
begin
  select d.* into v_settings from fairlane_core.settings as d;
  v_slots.user_id := p_user.id;
  v_slots.running := p_running;
  v_slots.orchestrating := p_orchestrating;
  v_slots.remembered := p_remembered;
  v_slots.task_limit := coalesce(p_user.max_in_progress, v_settings.default_task_limit);
  v_slots.orchestration_limit := coalesce(
    p_user.max_orchestrating, v_settings.default_orchestration_limit, v_slots.task_limit
  );
  -- Nothing of a deleted user starts any more while their rows are deleted piece by piece.
  if fairlane_core.is_being_deleted(p_user.id) then
    v_slots.task_limit := 0;
    v_slots.orchestration_limit := 0;
  end if;
  v_slots.has_credits := coalesce(p_user.credits, 0) > 0 or not v_settings.requires_credits;
  v_slots.cloud_on := v_cloud is distinct from 'false';
  v_slots.local_on := v_local is distinct from 'false';
  v_slots.settings_malformed := coalesce(jsonb_typeof(v_cloud) <> 'boolean', false)
    or coalesce(jsonb_typeof(v_local) <> 'boolean', false);
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

-- Runs after tasks_after_insert (triggers fire in name order), which has taken the owner's lock and updated the
-- counters: nobody else can add to this owner's queue between the count and the commit.
-- Refuses what a user enqueues beyond fairlane_core.settings.max_queued_per_user with 429 QUEUE_FULL.
create function fairlane_core.enforce_queue_limit()
returns trigger
language plpgsql
security definer -- reads settings and counters on behalf of any caller who may insert
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_bound integer;
  v_user_id uuid;
begin
  if not fairlane_core.acts_for_a_user() then
    return null;
  end if;

  select s.max_queued_per_user into v_bound from fairlane_core.settings as s;
  if v_bound is null then
    return null;
  end if;

  -- One after the other: a single query would take the count and look up the orchestrator for each new row.
  for v_user_id in select distinct n.user_id from new_rows as n loop
    if fairlane_core.queued_count(v_user_id) > v_bound and exists (
      select
      from new_rows as n
      where n.user_id = v_user_id
        and not fairlane_core.has_started_orchestrator(n)
    ) then
      perform fairlane_core.refuse(
        429, 'QUEUE_FULL',
        pg_catalog.format('A user may have at most %s queued tasks, and this would exceed it', v_bound),
        'Wait until some have run, or cancel some'
      );
    end if;
  end loop;
  return null;
end;
$$;

create trigger tasks_after_insert_enforce_queue_limit
  after insert on fairlane.tasks
  referencing new table as new_rows
  for each statement execute function fairlane_core.enforce_queue_limit();

-- How many tasks a user has in the queue, summed from the derived counters: a few rows, however many tasks there are.
-- Exact under the lock on the owner's slots.
create function fairlane_core.queued_count(p_user_id uuid)
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
      from fairlane_core.user_queues as l
      where l.user_id = p_user_id
    ), 0
  ) + coalesce(
    (
      select sum(b.task_count)
      from fairlane_core.blocked_tasks as b
      where b.user_id = p_user_id
    ), 0
  );
end;
$$;

-- Whether a task is part of work under way: its params name an orchestrator of the same owner that was started and has
-- not ended. That orchestrator was counted when it was enqueued, and refusing its parts would fail all of it.
create function fairlane_core.has_started_orchestrator(p_task fairlane.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  -- By key: with the owner in the same condition, a plan may scan all that the owner has, for each new row.
  return exists (
    select
    from unnest(fairlane_core.named_parents(p_task.params)) as p (id)
    where (
      select t.user_id = p_task.user_id
        and not t.takes_slot
        and (t.status = 'In Progress' or (t.status = 'Queued' and t.claimed_at is not null))
      from fairlane.tasks as t
      where t.id = p.id
    )
  );
end;
$$;

-- Refuses a user's projects beyond 1,000 with 409 TOO_MANY_PROJECTS, and those of a user who is being deleted with 403
-- FORBIDDEN.
create function fairlane_core.enforce_project_limit()
returns trigger
language plpgsql
security definer -- counts what row security may hide, on behalf of any caller who may insert
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 1000;
  v_user_id uuid;
begin
  if not fairlane_core.acts_for_a_user() then
    return null;
  end if;

  for v_user_id in select distinct n.user_id from new_rows as n order by n.user_id loop
    -- Two requests at once: the second counts what the first has added.
    perform pg_advisory_xact_lock(hashtextextended('fairlane_core.projects:' || v_user_id, 0));
    -- Wait for a deletion under way; a later one deletes the project too.
    perform from fairlane.owners as u where u.id = v_user_id for key share;
    if fairlane_core.is_being_deleted(v_user_id) then
      perform fairlane_core.refuse(403, 'FORBIDDEN', 'This user is being deleted');
    end if;
    if (
      select count(*)
      from (select from fairlane.projects as p where p.user_id = v_user_id limit v_most + 1) as k
    ) > v_most then
      perform fairlane_core.refuse(
        409, 'TOO_MANY_PROJECTS', pg_catalog.format('A user may have at most %s projects, and this would exceed it', v_most),
        'Delete some first'
      );
    end if;
  end loop;
  return null;
end;
$$;

create trigger projects_after_insert_enforce_project_limit
  after insert on fairlane.projects
  referencing new table as new_rows
  for each statement execute function fairlane_core.enforce_project_limit();

-- Lists of projects are read all day, so their number and their names have bounds. The number binds users only; an app
-- that creates projects with the service key decides itself.
-- Refuses a project name that is too long with 400 INVALID_ARGUMENT.
create function fairlane_core.projects_before_write()
returns trigger
language plpgsql
security definer -- whoever may write may hear the refusal
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The name of a project must have at most 255 characters');
  return null;
end;
$$;

create trigger projects_before_write
  before insert or update of name on fairlane.projects
  for each row
  when (length(new.name) > 255)
  execute function fairlane_core.projects_before_write();
