-- Whether a task is part of work that is under way. Its orchestrator was counted when it was enqueued; to refuse the
-- parts would fail the whole.
create function queue.has_started_orchestrator(p_task public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  -- By their keys: asked with the owner beside them, a plan may go through all that the owner has, for each new row.
  return exists (
    select
    from unnest(queue.named_parents(p_task.params)) as p (id)
    where (
      select t.user_id = p_task.user_id
        and not t.takes_slot
        and (t.status = 'In Progress' or (t.status = 'Queued' and t.claimed_at is not null))
      from public.tasks as t
      where t.id = p.id
    )
  );
end;
$$;

comment on function queue.has_started_orchestrator(public.tasks) is
  'Whether params name an orchestrator of the same owner that was started and has not ended.';

revoke all on function queue.has_started_orchestrator(public.tasks) from public, anon, authenticated, service_role;
