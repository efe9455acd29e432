-- What an orchestrator has enqueued.

-- The tasks that an orchestrator has enqueued, so that it does not enqueue them twice.
-- See fairlane.get_orchestrator_children.
create function fairlane_core.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text)
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
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_orchestrator fairlane.tasks := fairlane_core.readable_task(v_caller, p_orchestrator_task_id);
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
      perform fairlane_core.refuse(
        400, 'INVALID_ARGUMENT', 'after is not the next of an earlier reply',
        'Send next unchanged, or omit after to start from the beginning'
      );
    end;
  end if;

  with child as (
    select c.*
    from fairlane_core.children_of(v_orchestrator, v_most + 1, v_after_time, v_after_id) as c
  ),
  -- Params may be large, and the reply is built in the database's memory.
  measured as (
    select
      c.*,
      row_number() over in_order as place,
      sum(coalesce(l.params_length, 0) + coalesce(octet_length(c.output_location), 0)) over in_order as bytes,
      l.params_length is null as has_unfit_params
    from child as c
      cross join lateral (select fairlane_core.written_length(c.params, 8388608) as params_length) as l
    window in_order as (order by c.created_at, c.id)
  ),
  -- The first one always: a caller that pages must make progress.
  told as (
    select m.*, m.place <= v_most and (m.bytes <= v_most_bytes or m.place = 1) as is_told
    from measured as m
  )
  select
    coalesce(
      json_agg(
        json_build_object(
          'id', m.id, 'task_type', m.task_type, 'status', m.status,
          'params', case when m.has_unfit_params then '{}' when v_caller.user_id is null then fairlane_core.without_secrets(m.params) else m.params end,
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

-- The tasks that name another one as their orchestrator. A family that the queue counts is listed; one that ended
-- before the queue counted families, or has no child yet, is searched among its owner's tasks created since the
-- orchestrator. A day more, because clocks are set back.
-- Up to so many tasks of the same owner whose params name this one as their orchestrator, oldest first; only those
-- after this time and id, if they are given.
create function fairlane_core.children_of(
  p_orchestrator fairlane.tasks, p_limit integer, p_after_time timestamptz default null, p_after_id uuid default null
)
returns setof fairlane.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = p_orchestrator.id) then
    return query
    select t.*
    from fairlane_core.subtasks as s
      join fairlane.tasks as t on t.id = s.task_id
    where s.orchestrator_id = p_orchestrator.id
      and t.user_id = p_orchestrator.user_id
      and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
    order by t.created_at, t.id
    limit p_limit;
    return;
  end if;

  return query
  select t.*
  from fairlane.tasks as t
  where t.user_id = p_orchestrator.user_id
    and t.created_at >= p_orchestrator.created_at - interval '1 day'
    and fairlane_core.parent_task_id(t.params) = p_orchestrator.id
    and t.id <> p_orchestrator.id
    and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
  order by t.created_at, t.id
  limit p_limit;
end;
$$;
