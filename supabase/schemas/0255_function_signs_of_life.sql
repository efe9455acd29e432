-- What there was to be seen of a start that ended without a result: whether its worker beat, whether it logged, whether it
-- was gone. The history keeps it, because logs are gone after two days and the worker's row has moved on; and the queue asks
-- the history who may still be at work on a task (queue.has_live_former_holder).
create function queue.signs_of_life(
  p_task_id uuid, p_worker_id text, p_started_at timestamptz, p_reported_at timestamptz, p_delivered_at timestamptz
)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_worker public.workers;
begin
  select w.* into v_worker from public.workers as w where w.id = p_worker_id;
  return jsonb_build_object(
    'running_seconds', round(extract(epoch from v_now - p_started_at)),
    'beats', coalesce(v_worker.last_heartbeat >= p_started_at, false),
    'seconds_since_last_beat', round(extract(epoch from v_now - v_worker.last_heartbeat)),
    'seconds_since_last_report', round(extract(epoch from v_now - p_reported_at)),
    -- By its own word or its guardian's; one that others have set aside may work on. Under a name that several share the
    -- row is that of all of them (queue.put_back).
    'worker_is_gone', coalesce(v_worker.goodbye_at is not null or v_worker.status in ('crashed', 'terminating'), false)
      or p_task_id = any (coalesce(nullif(current_setting('queue.is_gone', true), ''), '{}')::uuid[]),
    'was_named', p_delivered_at is not null,
    'log_lines', (
      select count(*)
      from public.system_logs as l
      where l.task_id = p_task_id::text
        and l."timestamp" >= coalesce(p_started_at, '-infinity')
    )
  );
end;
$$;

comment on function queue.signs_of_life(uuid, text, timestamptz, timestamptz, timestamptz) is
  'What was seen of a start of this task by this worker: {running_seconds, beats, seconds_since_last_beat, seconds_since_last_report, worker_is_gone (said goodbye, crashed or on its way out), was_named (by a call, a beat or a log line), log_lines}; null where nothing is known.';

revoke all on function queue.signs_of_life(uuid, text, timestamptz, timestamptz, timestamptz) from public, anon, authenticated, service_role;
