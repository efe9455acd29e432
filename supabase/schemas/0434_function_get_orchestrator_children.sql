-- The tasks that an orchestrator has enqueued, so that it does not enqueue them twice.
create function queue.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text)
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
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_orchestrator public.tasks := queue.readable_task(v_caller, p_orchestrator_task_id);
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
      sum(coalesce(l.params_length, 0) + coalesce(octet_length(c.output_location), 0)) over in_order as bytes,
      l.params_length is null as has_unfit_params
    from child as c
      cross join lateral (select queue.written_length(c.params, 8388608) as params_length) as l
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
          'id', m.id, 'task_type', m.task_type, 'status', m.status,
          'params', case when m.has_unfit_params then '{}' when v_caller.user_id is null then queue.without_secrets(m.params) else m.params end,
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
