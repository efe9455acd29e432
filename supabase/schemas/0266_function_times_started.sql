-- How often a task was handed out as the start that it is in: more than once when that start was taken off again, because
-- its holder handed it back or it never arrived.
create function queue.times_started(p_task public.tasks)
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select count(*)
    from public.task_events as e
    where e.task_id = p_task.id
      and e.from_status = 'Queued'
      and e.to_status = 'In Progress'
      and e.attempt = p_task.attempts
  );
end;
$$;

comment on function queue.times_started(public.tasks) is
  'How often the history has this task handed out under its present number of starts.';

revoke all on function queue.times_started(public.tasks) from public, anon, authenticated, service_role;
