-- Projects: what a change of them means for their owner's tasks, and how one is given to another user.

-- A project may be the first sight of its owner.
create function fairlane_core.projects_before_insert()
returns trigger
language plpgsql
security definer -- writes owners on behalf of any caller who may insert projects
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  perform fairlane_core.register_owner(new.user_id);
  return new;
end;
$$;

create trigger projects_before_insert
  before insert on fairlane.projects
  for each row execute function fairlane_core.projects_before_insert();

-- Locks a project that is given to another user against callers that enqueue into it: they read its owner and hold the
-- row until the tasks exist (fairlane_core.tasks_before_insert). The change waits for them, and later callers wait for
-- the change and read the new owner.
create function fairlane_core.projects_before_update()
returns trigger
language plpgsql
security definer -- locks a row on behalf of any caller who may update it
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  perform from fairlane.projects as p where p.id = old.id for update;
  return new;
end;
$$;

create trigger projects_before_update
  before update of user_id on fairlane.projects
  for each row
  when (new.user_id <> old.user_id)
  execute function fairlane_core.projects_before_update();

-- A task's owner is its project's owner: that decides whose limit it uses, who pays, and who may see its results. So a
-- plain update cannot give a project that has tasks to another user (409 PROJECT_HAS_TASKS): fairlane_core.move_project
-- moves everything. Checked after the update, when row level security has been applied.
create function fairlane_core.projects_after_update()
returns trigger
language plpgsql
security definer -- looks at tasks on behalf of any caller who may write projects
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if current_setting('fairlane_core.mode', true) is distinct from 'moves_project'
    and (
      exists (select from fairlane.tasks as t where t.project_id = old.id)
      or exists (select from fairlane.generations as g where g.project_id = old.id)
    ) then
    perform fairlane_core.refuse(
      409, 'PROJECT_HAS_TASKS', pg_catalog.format('Project %s holds tasks or results, which would stay with its former owner', old.id),
      pg_catalog.format('With the service key: move_project {"p_project_id": "%s", "p_user_id": "%s"}', old.id, new.user_id)
    );
  end if;
  return null;
end;
$$;

create trigger projects_after_update
  after update of user_id on fairlane.projects
  for each row
  when (new.user_id <> old.user_id)
  execute function fairlane_core.projects_after_update();

-- Gives a project to another user with everything in it, in one transaction: tasks, results, history, families and
-- counters. Not while one of its tasks runs (the former owner pays for it), nor if it would separate related tasks,
-- which must have one owner; and over the API not if it would be cancelled half way. See fairlane.move_project.
create function fairlane_core.move_project(p_caller jsonb, p_project_id uuid, p_user_id uuid)
returns json
language plpgsql
volatile
security definer -- writes the owner of tasks, which no API role may
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service']);
  v_most constant integer := 10000;
  v_from uuid;
  v_tasks uuid[];
  v_waiting uuid[];
  v_in_the_way record;
  v_generations integer;
begin
  perform fairlane_core.open_tables(true);
  select p.user_id into v_from from fairlane.projects as p where p.id = p_project_id and p.deleted_at is null for update;
  if v_from is null then
    perform fairlane_core.refuse(404, 'PROJECT_NOT_FOUND', pg_catalog.format('There is no project %s', p_project_id));
  end if;
  perform fairlane_core.register_owner(p_user_id);
  if not exists (select from fairlane.owners as u where u.id = p_user_id) or fairlane_core.is_being_deleted(p_user_id) then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('There is no user %s', coalesce(p_user_id::text, 'null')));
  elsif v_from = p_user_id then
    return json_build_object('project_id', p_project_id, 'user_id', p_user_id, 'tasks', 0, 'generations', 0);
  elsif coalesce(current_setting('request.method', true), '') <> '' and exists (
    select from fairlane.tasks as t where t.project_id = p_project_id offset v_most
  ) then
    perform fairlane_core.refuse(
      409, 'PROJECT_HAS_TASKS', pg_catalog.format('The project has more than %s tasks, too many to move in one request', v_most),
      'Delete tasks of it that have ended, or call fairlane_core.move_project in a session of SQL: claims for both users wait meanwhile'
    );
  end if;

  v_tasks := array(
    select t.id from fairlane.tasks as t where t.project_id = p_project_id order by t.id for no key update
  );
  perform from fairlane_core.user_slots as s where s.user_id in (v_from, p_user_id) order by s.user_id for no key update;

  select t.id
  into v_in_the_way
  from fairlane.tasks as t
  where t.id = any (v_tasks)
    and t.status = 'In Progress'
  limit 1;
  if v_in_the_way.id is not null then
    perform fairlane_core.refuse(
      409, 'PROJECT_HAS_TASKS', pg_catalog.format('Task %s of the project is In Progress', v_in_the_way.id),
      'Wait until it has ended, or cancel it; what is queued moves along'
    );
  end if;

  -- Dependencies and children across the border of the project.
  select l.id, l.other
  into v_in_the_way
  from (
    select d.task_id as id, d.depends_on as other, d.task_id as bound
    from fairlane_core.task_dependencies as d
    where d.task_id = any (v_tasks) or d.depends_on = any (v_tasks)
    union all
    select s.task_id, s.orchestrator_id, b.id
    from fairlane_core.subtasks as s
      cross join lateral (values (s.task_id), (s.orchestrator_id)) as b (id)
    where s.task_id = any (v_tasks) or s.orchestrator_id = any (v_tasks)
  ) as l
    join fairlane.tasks as t on t.id = l.id
    join fairlane.tasks as o on o.id = l.other
    join fairlane.tasks as b on b.id = l.bound
  where t.project_id <> o.project_id
    and t.user_id = o.user_id
    and b.status in ('Queued', 'In Progress')
  limit 1;
  if v_in_the_way.id is not null then
    perform fairlane_core.refuse(
      409, 'PROJECT_HAS_TASKS',
      pg_catalog.format('Task %s belongs to task %s, and only one of the two is in the project', v_in_the_way.id, v_in_the_way.other),
      'Wait until both have ended, or move both into one project first'
    );
  end if;

  perform fairlane_core.set_event_context(fairlane_core.caller_name(v_caller), 'moved with its project to another user');
  perform set_config('fairlane_core.mode', 'moves_project', true);
  -- An idempotency key is unique per owner.
  update fairlane.tasks as t
  set user_id = p_user_id,
    idempotency_key = case
      when not exists (
        select from fairlane.tasks as k where k.user_id = p_user_id and k.idempotency_key = t.idempotency_key
      ) then t.idempotency_key
    end
  where t.id = any (v_tasks);
  update fairlane_core.subtasks as s set user_id = p_user_id where s.task_id = any (v_tasks);
  update fairlane_core.orchestrations as o set user_id = p_user_id where o.orchestrator_id = any (v_tasks);
  update fairlane.task_events as e set user_id = p_user_id where e.task_id = any (v_tasks);
  update fairlane.generations as g set user_id = p_user_id where g.project_id = p_project_id;
  get diagnostics v_generations = row_count;
  update fairlane.projects as p set user_id = p_user_id where p.id = p_project_id;

  -- A trigger saw the other tasks of the statement before they had moved.
  v_waiting := array(
    select t.id from fairlane.tasks as t where t.id = any (v_tasks) and t.status = 'Queued' and t.dependant_on is not null
  );
  perform fairlane_core.recompute_readiness(v_waiting);

  insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
  select t.id, t.user_id, fairlane_core.now(), t.status, t.status, t.worker_id, t.attempts, fairlane_core.actor(), 'moved with its project to another user'
  from fairlane.tasks as t
  where t.id = any (v_tasks);
  perform set_config('fairlane_core.mode', '', true);
  perform fairlane_core.set_event_context(null);
  return json_build_object(
    'project_id', p_project_id, 'user_id', p_user_id, 'tasks', cardinality(v_tasks), 'generations', v_generations
  );
end;
$$;
