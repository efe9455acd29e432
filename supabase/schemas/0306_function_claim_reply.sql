-- What a claim answers. params leave as jsonb text: a 64-bit seed stays what it was. Workers die on params that are no
-- object; a row from before that was asked for is wrapped in one.
create function queue.claim_reply(p_task public.tasks)
returns json
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'task_type', p_task.task_type,
    'params', case when jsonb_typeof(p_task.params) = 'object' then p_task.params else jsonb_build_object('params', p_task.params) end,
    'project_id', p_task.project_id,
    'lease_token', p_task.lease_token,
    'attempt', p_task.attempts,
    -- Failures so far: by this deployed workers count when to give up.
    'attempts', greatest(p_task.attempts - (p_task.status = 'In Progress')::integer, 0)
  );
end;
$$;

comment on function queue.claim_reply(public.tasks) is
  'The reply of a claim: task_id, task_type, params, project_id, lease_token, attempt (which start this is), attempts (how many have failed so far).';

revoke all on function queue.claim_reply(public.tasks) from public, anon, authenticated, service_role;
