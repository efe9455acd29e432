-- What: drops functions of an old backend that have the names of the queue's own.
-- Why: with other arguments they would stay beside them, and the Data API would go on calling them, or could not choose.
-- Back out: restore from backup.

set lock_timeout = '900ms';

do $$
declare
  v_function regprocedure;
begin
  -- Applied late, on a database that has the queue: then they are ours.
  if exists (select from pg_proc as p where p.pronamespace = 'public'::regnamespace and p.prosrc like '%queue.%' and p.proname = 'task_counts') then
    return;
  end if;
  for v_function in
    select p.oid
    from pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in (
        'claim_next_task', 'complete_task', 'create_api_token', 'create_task', 'create_tasks', 'explain_task',
        'explain_worker', 'func_get_task_counts', 'func_insert_logs_batch', 'func_update_worker_heartbeat',
        'func_worker_heartbeat_with_logs', 'get_completed_segments', 'get_orchestrator_children',
        'get_predecessor_output', 'get_task_output', 'get_task_status', 'health', 'mark_task_failed',
        'note_refused_claim', 'repair_generations', 'requeue_tasks', 'revoke_api_token', 'task_counts',
        'update_shot_pair_prompts', 'update_task_status', 'update_worker_model', 'upload_target', 'worker_health'
      )
  loop
    execute format('drop function %s', v_function);
  end loop;
end;
$$;
