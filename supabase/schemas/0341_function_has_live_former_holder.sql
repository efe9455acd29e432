-- A failure that names no lease could come from whoever held the task before. While such a worker still beats, the
-- present holder gets the benefit of the doubt. But who has handed the task back, or reported that it failed, has said what
-- there was to say.
create function queue.has_live_former_holder(p_task public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select
    from public.task_events as e
      join public.workers as w on w.id = e.worker_id
    where e.task_id = p_task.id
      and e.to_status = 'In Progress'
      and e.from_status is distinct from 'In Progress'
      and e.worker_id is distinct from p_task.worker_id
      and not exists (
        select
        from public.task_events as f
        where f.task_id = e.task_id
          and f.id > e.id
          and f.worker_id = e.worker_id
          and f.from_status = 'In Progress'
          and f.to_status = 'Queued'
          and (f.actor = 'service' or starts_with(f.actor, 'token:'))
      )
      and w.last_heartbeat > queue.now() - (select s.gpu_silence_limit from queue.settings as s)
  );
end;
$$;

comment on function queue.has_live_former_holder(public.tasks) is
  'Whether another worker that lost this task still sends beats.';

revoke all on function queue.has_live_former_holder(public.tasks) from public, anon, authenticated, service_role;
