-- A failure of the present start that was told and not applied, because a former holder might have been speaking. When the
-- task ends for want of a result all the same, that is what there is to say of it.
create function queue.told_reason(p_task public.tasks)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select e.details ->> 'held_back' -- queue.fail_task
    from public.task_events as e
    where e.task_id = p_task.id
      and e.from_status = 'In Progress'
      and e.to_status = 'In Progress'
      and e.worker_id = p_task.worker_id
      and e.attempt = p_task.attempts
      and e.details ? 'held_back'
      and e.id > (
        select max(s.id)
        from public.task_events as s
        where s.task_id = p_task.id
          and s.to_status = 'In Progress'
          and s.from_status is distinct from 'In Progress'
      )
    order by e.id desc
    limit 1
  );
end;
$$;

comment on function queue.told_reason(public.tasks) is
  'The last failure that was reported of this running task in its present start and only recorded; null when there is none.';

revoke all on function queue.told_reason(public.tasks) from public, anon, authenticated, service_role;
