-- One child more or less among those that count.
create function queue.count_child(p_child queue.subtasks, p_status text, p_delta integer)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update queue.orchestrations as o
  set open_count = o.open_count + case when p_status in ('Queued', 'In Progress') then p_delta else 0 end,
    complete_count = o.complete_count + case when p_status = 'Complete' then p_delta else 0 end,
    failed_count = o.failed_count + case when p_status = 'Failed' then p_delta else 0 end,
    cancelled_count = o.cancelled_count + case when p_status = 'Cancelled' then p_delta else 0 end,
    segment_count = o.segment_count + case when p_child.final_rank = 1 then p_delta else 0 end,
    join_count = o.join_count + case when p_child.final_rank = 2 then p_delta else 0 end,
    stitch_count = o.stitch_count + case when p_child.final_rank = 3 then p_delta else 0 end,
    changed_at = queue.now()
  where o.orchestrator_id = p_child.orchestrator_id
    and o.user_id = p_child.user_id;
end;
$$;

comment on function queue.count_child(queue.subtasks, text, integer) is
  'Adds p_delta to the numbers of an orchestrator''s children in this status and of this kind.';

revoke all on function queue.count_child(queue.subtasks, text, integer) from public, anon, authenticated, service_role;
