-- Clients name a task's orchestrator inside params. Anything that is not a UUID names none.
create function queue.parent_task_id(p_params jsonb)
returns uuid
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_params ->> 'orchestrator_task_id_ref' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      then (p_params ->> 'orchestrator_task_id_ref')::uuid
  end;
end;
$$;

comment on function queue.parent_task_id(jsonb) is
  'The orchestrator that params.orchestrator_task_id_ref names, or null when it is no UUID.';

revoke all on function queue.parent_task_id(jsonb) from public, anon, authenticated, service_role;
