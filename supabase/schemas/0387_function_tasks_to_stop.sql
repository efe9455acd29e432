-- What a worker should let go of: what was cancelled under it in the last hour, and what it seems to run (it named it)
-- although it is no longer its own. Lines about a task that this worker has completed come later than the completion;
-- they are no reason to say anything.
create function queue.tasks_to_stop(
  p_caller queue.caller, p_worker_id text, p_named uuid[], p_current uuid, p_now timestamptz
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(json_agg(json_build_object('task_id', s.id, 'reason', s.reason) order by s.id), '[]')
    from (
      select t.id, 'cancelled' as reason
      from public.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'Cancelled'
        and t.token_id is not distinct from p_caller.token_id
        and t.updated_at > p_now - interval '1 hour'
      union
      select
        n.id,
        case t.status
          when 'Queued' then 'taken_back'
          when 'In Progress' then 'held_by_another'
          when 'Complete' then 'completed_by_another'
          when 'Failed' then 'failed'
          when 'Cancelled' then 'cancelled'
          else 'deleted'
        end
      from unnest(p_named) as n (id)
        left join public.tasks as t on t.id = n.id and (p_caller.kind = 'service' or t.user_id = p_caller.user_id)
      where case
        when t.id is null then n.id = p_current
        when t.status in ('In Progress', 'Complete') then t.worker_id is distinct from p_worker_id or t.token_id is distinct from p_caller.token_id
        else true
      end
    ) as s
  );
end;
$$;

comment on function queue.tasks_to_stop(queue.caller, text, uuid[], uuid, timestamptz) is
  'What this worker of the caller should stop, as [{task_id, reason}]: cancelled, failed, taken_back, held_by_another, completed_by_another or deleted.';

revoke all on function queue.tasks_to_stop(queue.caller, text, uuid[], uuid, timestamptz) from public, anon, authenticated, service_role;
