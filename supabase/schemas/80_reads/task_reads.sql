-- One task as its owner or worker reads it.

-- The state of a task, for clients that wait for it.
-- See fairlane.get_task_status.
create function fairlane_core.get_task_status(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_task fairlane.tasks := fairlane_core.readable_task(fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']), p_task_id);
begin
  return json_build_object(
    'task_id', v_task.id,
    'task_type', v_task.task_type,
    'status', v_task.status,
    'attempt', v_task.attempts,
    'error_message', v_task.error_message,
    'created_at', v_task.created_at,
    'updated_at', v_task.updated_at,
    'generation_started_at', v_task.generation_started_at,
    'generation_processed_at', v_task.generation_processed_at
  );
end;
$$;

-- The result of a task, with its params.
-- See fairlane.get_task_output.
create function fairlane_core.get_task_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task fairlane.tasks := fairlane_core.readable_task(v_caller, p_task_id);
begin
  -- The service key speaks for any worker, and the one that holds the task has its params.
  if v_caller.user_id is null then
    v_task.params := fairlane_core.without_secrets(v_task.params);
  end if;
  return json_build_object(
    'task_id', v_task.id,
    'status', v_task.status,
    'output_location', v_task.output_location,
    'public_url', case when v_task.status = 'Complete' then coalesce(v_task.file_location, v_task.output_location) end,
    'thumbnail_url', v_task.thumbnail_url,
    'error_message', v_task.error_message,
    -- Rows older than the bounds may contain what cannot be written out.
    'result_data', case when fairlane_core.written_length(v_task.result_data, 8388608) is not null then v_task.result_data end,
    'params', case when fairlane_core.fits_a_reply(v_task.has_bounded_params, v_task.params) then v_task.params else '{}' end,
    'dependant_on', v_task.dependant_on
  );
end;
$$;

-- The output that a task builds on. Deployed workers read one predecessor; newer ones all of them. A part that is made
-- again waits for nothing: it names its parent's record and its own position there, and builds on the position before
-- it.
-- See fairlane.get_predecessor_output.
create function fairlane_core.get_predecessor_output(
  p_caller jsonb, p_task_id uuid, p_parent_generation_id uuid, p_child_order integer
)
returns json
language plpgsql
stable
security definer -- looks up the caller's token and reads the dependencies
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_task fairlane.tasks := fairlane_core.readable_task(fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']), p_task_id);
  v_first json;
  v_all json;
  v_are_complete boolean;
  v_sibling fairlane.generations;
begin
  if v_task.dependant_on is null then
    if p_parent_generation_id is null and p_child_order is null then
      return null;
    end if;
    if p_child_order > 0 then
      select g.*
      into v_sibling
      from fairlane.generations as g
      where g.parent_generation_id = p_parent_generation_id
        and g.child_order = p_child_order - 1
        and g.user_id = v_task.user_id
        and g.location is not null
      order by g.created_at desc, g.id desc
      limit 1;
    end if;
    v_first := case
      when v_sibling.id is not null then
        json_build_object('predecessor_id', v_sibling.id, 'output_location', v_sibling.location, 'status', 'Complete')
    end;
    return json_build_object(
      'predecessor_id', v_sibling.id,
      'output_location', v_sibling.location,
      'status', v_first -> 'status',
      'predecessors', case when v_first is null then '[]' else json_build_array(v_first) end,
      'all_complete', v_first is not null,
      'lookup_method', case when v_first is not null then 'generation_sibling' end
    );
  end if;

  with predecessor as (
    select
      d.id,
      t.status,
      -- Until a task is Complete, this field contains texts that are no output.
      case when t.status = 'Complete' then t.output_location end as output_location
    from (
      select v_task.dependant_on
      union
      select k.depends_on from fairlane_core.task_dependencies as k where k.task_id = v_task.id
    ) as d (id)
      -- Somebody else's task counts as missing, and nothing is revealed about it.
      left join fairlane.tasks as t on t.id = d.id and t.user_id is not distinct from v_task.user_id
  ),
  -- The first dependency first.
  told as (
    select
      p.id,
      p.status,
      json_build_object('predecessor_id', p.id, 'output_location', p.output_location, 'status', p.status) as reply
    from predecessor as p
    order by p.id <> v_task.dependant_on, p.id
  )
  select json_agg(t.reply), (json_agg(t.reply)) -> 0, bool_and(coalesce(t.status = 'Complete', false))
  into v_all, v_first, v_are_complete
  from told as t;

  return json_build_object(
    'predecessor_id', v_first -> 'predecessor_id',
    -- A client that reads only this takes it for all that the task builds on.
    'output_location', case when v_are_complete then v_first -> 'output_location' end,
    'status', v_first -> 'status',
    'predecessors', v_all,
    'all_complete', v_are_complete,
    'lookup_method', 'dependency'
  );
end;
$$;

-- The task that a request is about; 404 TASK_NOT_FOUND when it does not exist, and the same when it is somebody else's.
create function fairlane_core.readable_task(p_caller fairlane_core.caller, p_task_id uuid)
returns fairlane.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_task fairlane.tasks;
begin
  select t.*
  into v_task
  from fairlane.tasks as t
  where t.id = p_task_id
    and (p_caller.kind = 'service' or t.user_id = p_caller.user_id);

  if v_task.id is null then
    perform fairlane_core.refuse(404, 'TASK_NOT_FOUND', pg_catalog.format('There is no task %s', p_task_id));
  end if;
  return v_task;
end;
$$;
