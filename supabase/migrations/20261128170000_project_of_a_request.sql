-- What: a task that is enqueued without a project's id goes where its params or its dependency say, or, in a user's name,
-- into the only project of that user.
-- Why: deployed workers send the words default_project_id, also for tasks that no orchestrator is named in.
-- Back out: apply project_for, read_task_request and refuse_homeless_task of 20261123201100_operations.sql again, and drop
-- queue.project_for(queue.caller, queue.task_request).

set lock_timeout = '900ms';

-- The project of a task to come. Deployed orchestrators know no better than "default_project_id" at times; their
-- task then belongs where what it names belongs: its parent, else its params, else what it waits for. Whoever calls in
-- a user's name reaches that user's projects only, and needs to name none while there is but one.
create function queue.project_for(p_caller queue.caller, p_request queue.task_request)
returns public.projects
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_uuid constant text := '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
  v_is_service constant boolean := p_caller.kind = 'service';
  v_project public.projects;
begin
  if p_request.project ~* v_uuid then
    select p.*
    into v_project
    from public.projects as p
    where p.id = p_request.project::uuid
      and (v_is_service or p.user_id = p_caller.user_id);
    return v_project;
  end if;

  select p.*
  into v_project
  from (
    select 1 as source, n.place, t.project_id
    from unnest(queue.named_parents(p_request.params)) with ordinality as n (id, place)
      join public.tasks as t on t.id = n.id
    union all
    select 2, 1, case when p_request.params ->> 'project_id' ~* v_uuid then (p_request.params ->> 'project_id')::uuid end
    union all
    -- A dependency of another owner's would never be met.
    select 3, d.place, t.project_id
    from unnest(p_request.depends_on) with ordinality as d (id, place)
      join public.tasks as t on t.id = d.id
    union all
    select 4, 1, (array_agg(o.id))[1]
    from public.projects as o
    where o.user_id = p_caller.user_id
      and not v_is_service
    having count(*) = 1
  ) as l
    join public.projects as p on p.id = l.project_id
  where v_is_service
    or p.user_id = p_caller.user_id
  order by l.source, l.place
  limit 1;
  return v_project;
end;
$$;

comment on function queue.project_for(queue.caller, queue.task_request) is
  'The caller''s project that a request names or, when that is no UUID, the first of these: that of the orchestrator in params, params.project_id, that of a dependency, the only one of the caller; null when there is none.';

revoke all on function queue.project_for(queue.caller, queue.task_request) from public, anon, authenticated, service_role;

-- What a caller asks for, with its owner looked up. Who is not the service decides neither age nor owner.
create or replace function queue.read_task_request(p_caller queue.caller, p_body jsonb)
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
  return v_request;
end;
$$;

comment on function queue.read_task_request(queue.caller, jsonb) is
  'Reads one requested task {task_id, task_type, params, project, depends_on, run_type, priority, available_at, idempotency_key, max_attempts, timeout_seconds, created_at} and finds its project and owner.';

revoke all on function queue.read_task_request(queue.caller, jsonb) from public, anon, authenticated, service_role;

-- A task without a project would have no owner, and nobody's credits could pay for it.
create or replace function queue.refuse_homeless_task(p_request queue.task_request)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if p_request.project_id is not null then
    return;
  elsif p_request.project ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    perform queue.refuse(
      404, 'PROJECT_NOT_FOUND',
      pg_catalog.format('There is no project %s', p_request.project),
      'Check the id and whose token is used'
    );
  end if;
  perform queue.refuse(
    400, 'PROJECT_REQUIRED',
    pg_catalog.format(
      'The project_id %s is no UUID, and neither params nor dependencies lead to a project',
      coalesce(to_json(left(p_request.project, 100))::text, 'null')
    ),
    'Send the project''s UUID, or the parent in params.orchestrator_task_id_ref'
  );
end;
$$;

comment on function queue.refuse_homeless_task(queue.task_request) is
  'Raises 404 PROJECT_NOT_FOUND or 400 PROJECT_REQUIRED when the request leads to no project of the caller.';

revoke all on function queue.refuse_homeless_task(queue.task_request) from public, anon, authenticated, service_role;

drop function queue.project_for(queue.caller, text, jsonb);
