-- Whether a report of a failed start, which names the start by its number, is the one that has ended an earlier start: its
-- reply was lost, it was sent again, and meanwhile somebody else has the task. A worker that has the task again speaks of
-- its present start, whatever number it sends.
create function queue.is_told_again(p_task public.tasks, p_attempts integer, p_reason text)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return p_task.status = 'In Progress'
    and coalesce(p_attempts between 1 and p_task.attempts - 1, false)
    and exists (
      select
      from public.task_events as e
      where e.task_id = p_task.id
        and e.from_status = 'In Progress'
        and e.to_status = 'Queued'
        and e.attempt = p_attempts
        and e.reason = p_reason
        and (
          e.worker_id is distinct from p_task.worker_id
          or exists (select from queue.settings as s where queue.sent_name(p_task.worker_id) = any (s.shared_worker_ids))
        )
    );
end;
$$;

comment on function queue.is_told_again(public.tasks, integer, text) is
  'Whether an earlier start of this running task, of that number and by another worker, has ended with this very reason.';

revoke all on function queue.is_told_again(public.tasks, integer, text) from public, anon, authenticated, service_role;
