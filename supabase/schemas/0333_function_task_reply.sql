-- What complete and update answer. A repeat gets the same words: whether it was the first is in the history.
create function queue.task_reply(p_task public.tasks)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return json_build_object(
    'task_id', p_task.id,
    'status', p_task.status,
    'output_location', p_task.output_location,
    'public_url', case when p_task.status = 'Complete' then coalesce(p_task.file_location, p_task.output_location) end,
    'thumbnail_url', p_task.thumbnail_url,
    'error_message', p_task.error_message,
    'attempt', p_task.attempts,
    'generation_created', p_task.generation_created,
    'generation_id', (select g.id from public.generations as g where g.task_id = p_task.id)
  );
end;
$$;

comment on function queue.task_reply(public.tasks) is
  'The reply about a task: task_id, status, output_location, public_url (once Complete), thumbnail_url, error_message, attempt, generation_created, generation_id.';

revoke all on function queue.task_reply(public.tasks) from public, anon, authenticated, service_role;
