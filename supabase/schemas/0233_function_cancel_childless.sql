-- An orchestrator that had enqueued all of its children, and they are all gone: nothing is left that could end it, and no
-- worker is to enqueue them again, because somebody took them away. The caller holds the locks on the orchestrator and on
-- its owner.
create function queue.cancel_childless(p_orchestrator_id uuid, p_reason text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform queue.end_tasks(array_agg((t.id, t.user_id, 'Cancelled', p_reason)::queue.task_end))
  from queue.orchestrations as o
    join public.tasks as t on t.id = o.orchestrator_id and t.user_id = o.user_id
  where o.orchestrator_id = p_orchestrator_id
    and o.ended_as is null
    and o.enqueued_attempt = t.attempts
    and o.open_count + o.complete_count + o.failed_count + o.cancelled_count = 0
    and t.status = 'In Progress'
  having count(*) > 0;
end;
$$;

comment on function queue.cancel_childless(uuid, text) is
  'Cancels this orchestrator with the reason if it runs, had enqueued all of its children in this start, and none is left.';

revoke all on function queue.cancel_childless(uuid, text) from public, anon, authenticated, service_role;
