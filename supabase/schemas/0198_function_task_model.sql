-- Which model a task wants, wherever its sender put it.
create function queue.task_model(p_params jsonb)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  -- Cut, because it is part of an index key and a client may send any text.
  return left(
    coalesce(p_params ->> 'model', p_params ->> 'model_name', p_params #>> '{orchestrator_details,model_name}'),
    200
  );
end;
$$;

comment on function queue.task_model(jsonb) is
  'The model that params.model, params.model_name or params.orchestrator_details.model_name asks for; null = any.';

revoke all on function queue.task_model(jsonb) from public, anon, authenticated, service_role;
