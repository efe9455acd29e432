-- What every new row of tasks gets: its owner, pool, model and readiness; and how params are read.

-- What every new row gets, whoever inserts it: its owner, pool and readiness.
create function fairlane_core.tasks_before_insert()
returns trigger
language plpgsql
security definer -- reads owner, type and dependencies on behalf of any caller who may insert
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_owner uuid;
  v_deleted_at timestamptz;
  v_category text;
begin
  if new.status <> 'Queued' then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('A new task must be Queued, not %s', new.status),
      'Insert it Queued; claim, complete or fail it through the functions'
    );
  end if;

  perform fairlane_core.refuse_impossible_values(new);

  if new.project_id is not null then
    -- Locked, as the foreign key will do anyway: the project keeps its owner until the task exists.
    select p.user_id, p.deleted_at into v_owner, v_deleted_at from fairlane.projects as p where p.id = new.project_id for key share;
    if v_deleted_at is not null then
      perform fairlane_core.refuse(404, 'PROJECT_NOT_FOUND', pg_catalog.format('Project %s was deleted', new.project_id));
    end if;
    -- An unknown project is left to the foreign key.
    new.user_id := coalesce(v_owner, new.user_id);
  else
    if new.user_id is null and (select s.registers_owners from fairlane_core.settings as s) then
      new.user_id := auth.uid();
      if new.user_id is null then
        perform fairlane_core.refuse(400, 'OWNER_UNKNOWN', 'Neither a project nor user_id says whose task it is', 'Send user_id, or project_id');
      end if;
    end if;
    perform fairlane_core.register_owner(new.user_id);
  end if;

  new.run_type := coalesce(new.run_type, 'cloud');
  new.params := fairlane_core.params_object(new.params);
  perform fairlane_core.refuse_large_json(new.params, 'params');
  new.has_bounded_params := true;
  if new.result_data is not null then
    new.result_data := fairlane_core.bounded_data(new.result_data);
  end if;
  new.output_location := fairlane_core.cut_ends(new.output_location);
  new.error_message := fairlane_core.cut_ends(new.error_message);
  new.error_details := fairlane_core.cut_ends(new.error_details);
  -- A default timestamp becomes the queue's own time. A given one stays, unless a user gave it: older tasks are served
  -- first.
  if new.created_at is null or new.created_at = pg_catalog.now() or fairlane_core.actor() ~ '^(authenticated$|user:)' then
    new.created_at := fairlane_core.now();
  end if;
  new.updated_at := coalesce(new.updated_at, new.created_at);

  select y.run_type, y.category, y.runs_on_own_gpu
  into new.pool, v_category, new.runs_on_own_gpu
  from fairlane.task_types as y
  where y.name = new.task_type;
  new.pool := coalesce(new.pool, 'gpu');
  new.runs_on_own_gpu := coalesce(new.runs_on_own_gpu and new.pool <> 'gpu', false);
  new.takes_slot := fairlane_core.takes_slot(new.task_type, v_category);

  if new.dependant_on = new.id then
    perform fairlane_core.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  elsif new.dependant_on is not null then
    new.released_at := fairlane_core.released_at(new.id, new.dependant_on, new.user_id);
  end if;
  new.model := fairlane_core.task_model(new.params);
  new.readiness := fairlane_core.task_readiness(new);
  return new;
end;
$$;

create trigger tasks_before_insert
  before insert on fairlane.tasks
  for each row execute function fairlane_core.tasks_before_insert();

-- Workers index into params and crash on anything but an object. So null becomes {}, a JSON text of an object is read
-- as the object, and anything else is 400 INVALID_ARGUMENT.
create function fairlane_core.params_object(p_params jsonb)
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
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('The params must be a JSON object, not %s', jsonb_typeof(v_params))
    );
  end if;
  return v_params;
end;
$$;

-- Clients name a task's orchestrator inside params (fairlane_core.parent_key). Anything that is not a UUID names none.
create function fairlane_core.parent_task_id(p_params jsonb)
returns uuid
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_params ->> fairlane_core.parent_key() ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      then (p_params ->> fairlane_core.parent_key())::uuid
  end;
end;
$$;

-- Params for readers who neither work on the task nor own it: [redacted] replaces each user_jwt at any depth. Some
-- tasks carry their user's JWT, which is for their worker alone.
create function fairlane_core.without_secrets(p_params jsonb)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if not jsonb_path_exists(p_params, '$.**.user_jwt') then
    return p_params; -- most params have none
  elsif jsonb_typeof(p_params) = 'array' then
    return (
      select jsonb_agg(fairlane_core.without_secrets(e.value) order by e.place)
      from jsonb_array_elements(p_params) with ordinality as e (value, place)
    );
  end if;
  return (
    select jsonb_object_agg(e.key, case e.key when 'user_jwt' then '"[redacted]"' else fairlane_core.without_secrets(e.value) end)
    from jsonb_each(p_params) as e
  );
end;
$$;
