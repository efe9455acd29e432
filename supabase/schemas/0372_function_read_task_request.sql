-- What a caller asks for, with its owner looked up. Who is not the service decides neither age nor owner.
create function queue.read_task_request(p_caller queue.caller, p_body jsonb)
returns queue.task_request
language plpgsql
volatile -- gives an id to a task that came without one
security invoker
set search_path = ''
as $$
declare
  v_request queue.task_request := jsonb_populate_record(null::queue.task_request, p_body);
  v_project public.projects;
begin
  if coalesce(v_request.task_type, '') = '' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A task must have a task_type');
  elsif v_request.task_id = any (v_request.depends_on) then
    perform queue.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  end if;

  v_request.task_id := coalesce(v_request.task_id, gen_random_uuid());
  v_request.params := queue.params_object(v_request.params);
  if p_caller.kind <> 'service' then
    v_request.created_at := null;
  end if;

  v_project := queue.project_for(p_caller, v_request);
  v_request.project_id := v_project.id;
  v_request.owner_id := coalesce(v_project.user_id, p_caller.user_id);

  -- A family may be a client's word for a type.
  if p_body ->> 'family' is not null then
    v_request.task_type := coalesce(
      (
        select n.task_type
        from queue.family_names as n
        where n.family = v_request.task_type
          and (n.having_param = '' or v_request.params ? n.having_param)
          and (
            n.parent_type = ''
            or n.parent_type = (
              select t.task_type
              from public.tasks as t
              where t.id = queue.parent_task_id(v_request.params)
                and t.user_id = v_request.owner_id
            )
          )
        order by n.parent_type desc, n.having_param desc
        limit 1
      ),
      v_request.task_type
    );
  end if;
  return v_request;
end;
$$;

comment on function queue.read_task_request(queue.caller, jsonb) is
  'Reads one requested task {task_id, task_type, family (whether the type was said so), params, project, depends_on, run_type, priority, available_at, idempotency_key, max_attempts, timeout_seconds, created_at} and finds its project and owner.';

revoke all on function queue.read_task_request(queue.caller, jsonb) from public, anon, authenticated, service_role;
