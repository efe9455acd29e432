-- A task without a project would have no owner, and nobody's credits could pay for it.
create function queue.refuse_homeless_task(p_request queue.task_request)
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
