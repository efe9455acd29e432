-- The project of a task to come. Deployed orchestrators know no better than "default_project_id" at times; their
-- task then belongs where its parent does.
create function queue.project_for(p_caller queue.caller, p_project text, p_params jsonb)
returns public.projects
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_project public.projects;
begin
  if p_project ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    select p.*
    into v_project
    from public.projects as p
    where p.id = p_project::uuid
      and (p_caller.kind = 'service' or p.user_id = p_caller.user_id);
    return v_project;
  end if;

  select p.*
  into v_project
  from unnest(queue.named_parents(p_params)) with ordinality as n (id, place)
    join public.tasks as t on t.id = n.id
    join public.projects as p on p.id = t.project_id
  where p_caller.kind = 'service'
    or t.user_id = p_caller.user_id
  order by n.place
  limit 1;
  return v_project;
end;
$$;

comment on function queue.project_for(queue.caller, text, jsonb) is
  'The caller''s project that a text names or, when it is no UUID, that of the orchestrator in params; null when there is none.';

revoke all on function queue.project_for(queue.caller, text, jsonb) from public, anon, authenticated, service_role;
