-- How the children of these orchestrators stand, counted from the tasks. A family whose orchestrator is missing, or
-- belongs to somebody else, is none.
create function queue.recount_families(p_orchestrator_ids uuid[])
returns setof queue.orchestrations
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select
    o.id, o.user_id,
    n.open_count, n.complete_count, n.failed_count, n.cancelled_count, n.segment_count, n.join_count, n.stitch_count,
    null::integer,
    case when o.status in ('Complete', 'Failed', 'Cancelled') then o.status end,
    queue.now()
  from public.tasks as o
    cross join lateral (
      select
        (count(*) filter (where t.status in ('Queued', 'In Progress')))::integer as open_count,
        (count(*) filter (where t.status = 'Complete'))::integer as complete_count,
        (count(*) filter (where t.status = 'Failed'))::integer as failed_count,
        (count(*) filter (where t.status = 'Cancelled'))::integer as cancelled_count,
        (count(*) filter (where s.final_rank = 1))::integer as segment_count,
        (count(*) filter (where s.final_rank = 2))::integer as join_count,
        (count(*) filter (where s.final_rank = 3))::integer as stitch_count
      from queue.subtasks as s
        join public.tasks as t on t.id = s.task_id
      where s.orchestrator_id = o.id
        and s.user_id = o.user_id
        and s.replaced_by is null
    ) as n
  where o.id = any (p_orchestrator_ids)
    and exists (select from queue.subtasks as s where s.orchestrator_id = o.id and s.user_id = o.user_id);
end;
$$;

comment on function queue.recount_families(uuid[]) is
  'The rows of queue.orchestrations that the tasks themselves add up to, for those of these orchestrators that have children; enqueued_attempt is null.';

revoke all on function queue.recount_families(uuid[]) from public, anon, authenticated, service_role;
