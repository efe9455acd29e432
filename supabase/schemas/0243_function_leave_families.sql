-- Deleted tasks leave their families, and the children of a deleted orchestrator are cancelled. An orchestrator that has
-- lost its last child is cancelled, too; one that keeps some is judged by those. The caller holds the locks of all of
-- them.
create function queue.leave_families(p_task_ids uuid[], p_statuses text[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_orchestrators uuid[];
  v_orchestrator_id uuid;
begin
  v_orchestrators := queue.take_out_children(p_task_ids, p_statuses);

  perform queue.cancel_children(p_task_ids, 'deleted');
  delete from queue.orchestrations as o where o.orchestrator_id = any (p_task_ids);

  foreach v_orchestrator_id in array v_orchestrators loop
    perform queue.judge_orchestration(v_orchestrator_id);
    perform queue.cancel_childless(v_orchestrator_id, 'all children were deleted');
  end loop;
end;
$$;

comment on function queue.leave_families(uuid[], text[]) is
  'Takes deleted tasks, which had these statuses, out of their families, and ends what ends with them. Call it under the owners'' locks.';

revoke all on function queue.leave_families(uuid[], text[]) from public, anon, authenticated, service_role;
