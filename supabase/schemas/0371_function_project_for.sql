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
      and p.deleted_at is null
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
      and o.deleted_at is null
      and not v_is_service
    having count(*) = 1
  ) as l
    join public.projects as p on p.id = l.project_id
  where (v_is_service or p.user_id = p_caller.user_id)
    and p.deleted_at is null
  order by l.source, l.place
  limit 1;
  return v_project;
end;
$$;

comment on function queue.project_for(queue.caller, queue.task_request) is
  'The caller''s project that a request names or, when that is no UUID, the first of these: that of the orchestrator in params, params.project_id, that of a dependency, the only one of the caller; null when there is none.';

revoke all on function queue.project_for(queue.caller, queue.task_request) from public, anon, authenticated, service_role;
