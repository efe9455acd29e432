-- What explain answers about a worker.

-- Why a worker gets nothing.
-- See public.explain_worker.
create function queue.explain_worker(p_caller jsonb, p_worker_id text, p_run_type text)
returns json
language plpgsql
stable
security definer -- reads the derived state
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token']);
  v_pool text := coalesce(p_run_type, 'gpu');
  v_worker public.workers;
  v_limit integer;
  v_held json;
  v_held_count integer;
  v_load queue.load_summary;
  v_reason text;
begin
  perform queue.refuse_unknown_pool(v_pool);

  if v_caller.kind = 'service' then
    select w.* into v_worker from public.workers as w where w.id = p_worker_id;
  end if;

  select case v_pool when 'gpu' then s.gpu_tasks_per_worker else s.api_tasks_per_worker end
  into v_limit
  from queue.settings as s
  where queue.sent_name(p_worker_id) <> all (s.shared_worker_ids);

  select
    count(*),
    coalesce(json_agg(json_build_object('task_id', t.id, 'task_type', t.task_type, 'claimed_at', t.claimed_at)), '[]')
  into v_held_count, v_held
  from public.tasks as t
  where t.worker_id = case v_caller.kind when 'token' then queue.holder_name(v_caller, p_worker_id) else p_worker_id end
    and t.status = 'In Progress'
    and queue.is_served_by(v_caller, v_pool, t.pool, t.runs_on_own_gpu, t.run_type)
    and t.takes_slot;

  v_load := queue.load_summary(v_caller, v_pool);

  v_reason := case
    when v_worker.status in ('terminating', 'terminated', 'error') and v_worker.goodbye_at is null then 'worker_' || v_worker.status
    when v_held_count >= v_limit then 'holds_all_it_may'
    when v_load.claimable = 0 then 'nothing_claimable'
  end;

  return json_build_object(
    'worker_id', p_worker_id,
    'known', v_worker.id is not null,
    'status', v_worker.status,
    'last_heartbeat', v_worker.last_heartbeat,
    'current_model', v_worker.current_model,
    'pool', v_pool,
    'gets_work', v_reason is null,
    'reason', v_reason,
    'remedy', case v_reason
      when 'holds_all_it_may' then 'It gets back what it holds until it completes or fails it'
      when 'nothing_claimable' then 'Nothing waits that this worker may run; blocked says what waits for what'
      else case when v_reason is null then 'Nothing: its next claim gets a task' else 'Claim under a new worker id' end
    end,
    'claimable', v_load.claimable,
    'holds', v_held,
    'blocked', queue.blocked_by_reason(v_caller, v_pool, v_load)
  );
end;
$$;
