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
  v_deleted_at timestamptz;
  v_category text;
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
    select p.user_id, p.deleted_at into v_owner, v_deleted_at from public.projects as p where p.id = new.project_id for key share;
    if v_deleted_at is not null then
      perform queue.refuse(404, 'PROJECT_NOT_FOUND', pg_catalog.format('Project %s was deleted', new.project_id));
    end if;
    -- An unknown project is left to the foreign key.
    new.user_id := coalesce(v_owner, new.user_id);
  end if;

  new.run_type := coalesce(new.run_type, 'cloud');
  new.params := queue.params_object(new.params);
  perform queue.refuse_large_json(new.params, 'params');
  new.has_bounded_params := true;
  if new.result_data is not null then
    new.result_data := queue.bounded_data(new.result_data);
  end if;
  new.output_location := queue.cut_ends(new.output_location);
  new.error_message := queue.cut_ends(new.error_message);
  new.error_details := queue.cut_ends(new.error_details);
  -- A default timestamp becomes the queue's own time. One that was given stays, unless a user gave it: an older task
  -- is served first.
  if new.created_at is null or new.created_at = pg_catalog.now() or queue.actor() ~ '^(authenticated$|user:)' then
    new.created_at := queue.now();
  end if;
  new.updated_at := coalesce(new.updated_at, new.created_at);

  select y.run_type, y.category, y.runs_on_own_gpu
  into new.pool, v_category, new.runs_on_own_gpu
  from public.task_types as y
  where y.name = new.task_type;
  new.pool := coalesce(new.pool, 'gpu');
  new.runs_on_own_gpu := coalesce(new.runs_on_own_gpu and new.pool <> 'gpu', false);
  new.takes_slot := queue.takes_slot(new.task_type, v_category);

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

create trigger tasks_before_insert
  before insert on public.tasks
  for each row execute function queue.tasks_before_insert();
