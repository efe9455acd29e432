-- What a task is a part of, by its params. A stitch puts everything together, so there is one of it; joins come before
-- segments because the last join holds all clips.
create function queue.subtask_of(p_task_id uuid, p_user_id uuid, p_task_type text, p_params jsonb)
returns queue.subtasks
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_orchestrator_id uuid := queue.parent_task_id(p_params);
  v_join text := substring(p_params ->> 'join_index' from '^[0-9]{1,9}$');
  v_segment text := substring(p_params ->> 'segment_index' from '^[0-9]{1,9}$');
  v_subtask queue.subtasks;
begin
  if v_orchestrator_id is null or v_orchestrator_id = p_task_id or p_user_id is null then
    return null;
  end if;

  v_subtask.task_id := p_task_id;
  v_subtask.orchestrator_id := v_orchestrator_id;
  v_subtask.user_id := p_user_id;
  v_subtask.task_type := p_task_type;
  v_subtask.final_rank := case
    when p_task_type like '%\_stitch' then 3
    when v_join is not null then 2
    when v_segment is not null and p_task_type like '%segment%' then 1
    else 0
  end;
  v_subtask.part_index := case when v_subtask.final_rank = 3 then 0 else coalesce(v_join, v_segment)::integer end;
  return v_subtask;
end;
$$;

comment on function queue.subtask_of(uuid, uuid, text, jsonb) is
  'The row of queue.subtasks that follows from a task''s params; null when they name no orchestrator.';

revoke all on function queue.subtask_of(uuid, uuid, text, jsonb) from public, anon, authenticated, service_role;
