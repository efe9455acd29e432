-- What complete and update answer. Keys without a value are left out: a client that finds public_url uses it.
create function queue.task_reply(p_task public.tasks, p_changed boolean)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return json_strip_nulls(json_build_object(
    'task_id', p_task.id,
    'status', p_task.status,
    'changed', p_changed,
    'output_location', p_task.output_location,
    'public_url', case when p_task.status = 'Complete' then p_task.output_location end,
    'thumbnail_url', p_task.thumbnail_url,
    'error_message', case when p_task.status in ('Failed', 'Cancelled') then p_task.error_message end,
    'attempt', p_task.attempts,
    'generation_created', p_task.generation_created,
    'generation_id', (select g.id from public.generations as g where g.task_id = p_task.id)
  ));
end;
$$;

comment on function queue.task_reply(public.tasks, boolean) is
  'The reply about a task: task_id, status, changed (whether this call changed it), output_location, public_url, thumbnail_url, error_message, attempt, generation_created, generation_id.';

revoke all on function queue.task_reply(public.tasks, boolean) from public, anon, authenticated, service_role;
