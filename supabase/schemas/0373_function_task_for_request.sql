-- The task that answers a request already: that of the same id, whatever has become of it, else that of the same key.
create function queue.task_for_request(p_caller queue.caller, p_request queue.task_request)
returns public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
begin
  select t.* into v_task from public.tasks as t where t.id = p_request.task_id;

  -- Says no more than that the id cannot be had, and an insert would tell that too.
  if v_task.user_id <> p_request.owner_id or (v_task.id is not null and v_task.user_id is null and p_caller.kind <> 'service') then
    perform queue.refuse(
      409, 'TASK_ID_TAKEN',
      pg_catalog.format('The task id %s cannot be used', p_request.task_id),
      'Choose a new random id'
    );
  end if;

  if v_task.id is null and p_request.idempotency_key is not null then
    select t.*
    into v_task
    from public.tasks as t
    where t.user_id = p_request.owner_id
      and t.idempotency_key = p_request.idempotency_key;
  end if;
  return v_task;
end;
$$;

comment on function queue.task_for_request(queue.caller, queue.task_request) is
  'The task that a request names by its id or, for its owner, by its idempotency key; null when it is new. Raises 409 TASK_ID_TAKEN when the id is that of another owner''s task.';

revoke all on function queue.task_for_request(queue.caller, queue.task_request) from public, anon, authenticated, service_role;
