-- An orchestration task that this worker was handed and never heard of: it claims again, and since that claim nothing has
-- named the task, no report, no log and no child. Who runs one task at a time would have said something of it first.
create function queue.lost_orchestration(p_worker_id text, p_token_id uuid, p_pool text)
returns uuid
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    -- Looked for apart: claims forbid sorts, and an index in this order is no way to what a worker holds.
    with held as materialized (
      select t.id, t.claimed_at
      from public.tasks as t
      where t.worker_id = p_worker_id
        and t.status = 'In Progress'
        and t.token_id is not distinct from p_token_id
        and t.pool = p_pool
        and not t.takes_slot
        and t.delivered_at is null
        and not queue.is_handed_over(t.id, t.lease_token)
        and not queue.needs_no_worker(t)
        -- As a value: an anti-join would be planned together with all tasks there are.
        and (
          select true
          from queue.subtasks as s
            join public.tasks as c on c.id = s.task_id
          where s.orchestrator_id = t.id
            and c.created_at >= t.claimed_at
          limit 1
        ) is null
    )
    select h.id from held as h order by h.claimed_at desc, h.id limit 1
  );
end;
$$;

comment on function queue.lost_orchestration(text, uuid, text) is
  'The orchestration task in this pool that this worker was handed last and of which nothing has been heard since; null when there is none.';

revoke all on function queue.lost_orchestration(text, uuid, text) from public, anon, authenticated, service_role;
