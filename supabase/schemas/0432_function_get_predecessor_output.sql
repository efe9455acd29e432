-- The output that a task builds on. Deployed workers read one predecessor; newer ones all of them.
create function queue.get_predecessor_output(p_caller jsonb, p_task_id uuid)
returns json
language plpgsql
stable
security definer -- looks up the caller's token and reads the dependencies
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_task public.tasks := queue.readable_task(queue.resolve_caller(p_caller, array['service', 'token', 'user']), p_task_id);
  v_first json;
  v_all json;
begin
  if v_task.dependant_on is null then
    return null;
  end if;

  with predecessor as (
    select
      d.id,
      t.status,
      -- Until it is Complete, a task has texts there that are no output.
      case when t.status = 'Complete' then t.output_location end as output_location
    from (
      select v_task.dependant_on
      union
      select k.depends_on from queue.task_dependencies as k where k.task_id = v_task.id
    ) as d (id)
      -- Somebody else's task counts as missing, and nothing is said of it.
      left join public.tasks as t on t.id = d.id and t.user_id is not distinct from v_task.user_id
  ),
  -- The first dependency first.
  told as (
    select
      p.id,
      json_build_object('predecessor_id', p.id, 'output_location', p.output_location, 'status', p.status) as reply
    from predecessor as p
    order by p.id <> v_task.dependant_on, p.id
  )
  select json_agg(t.reply), (json_agg(t.reply)) -> 0
  into v_all, v_first
  from told as t;

  return json_build_object(
    'predecessor_id', v_first -> 'predecessor_id',
    'output_location', v_first -> 'output_location',
    'status', v_first -> 'status',
    'predecessors', v_all
  );
end;
$$;

comment on function queue.get_predecessor_output(jsonb, uuid) is 'See public.get_predecessor_output.';

revoke all on function queue.get_predecessor_output(jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function queue.get_predecessor_output(jsonb, uuid) to service_role;
