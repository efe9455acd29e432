-- What there was to be seen of a start that ended without a result: whether its worker beat, whether it logged. The
-- history keeps it, because logs are gone after two days and the worker's row has moved on.
create function queue.signs_of_life(p_task_id uuid, p_worker_id text, p_started_at timestamptz, p_reported_at timestamptz)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_last_beat timestamptz := (select w.last_heartbeat from public.workers as w where w.id = p_worker_id);
begin
  return jsonb_build_object(
    'running_seconds', round(extract(epoch from v_now - p_started_at)),
    'beats', coalesce(v_last_beat >= p_started_at, false),
    'seconds_since_last_beat', round(extract(epoch from v_now - v_last_beat)),
    'seconds_since_last_report', round(extract(epoch from v_now - p_reported_at)),
    'log_lines', (
      select count(*)
      from public.system_logs as l
      where l.task_id = p_task_id::text
        and l."timestamp" >= coalesce(p_started_at, '-infinity')
    )
  );
end;
$$;

comment on function queue.signs_of_life(uuid, text, timestamptz, timestamptz) is
  'What was seen of a start of this task by this worker: {running_seconds, beats, seconds_since_last_beat, seconds_since_last_report, log_lines}; null where nothing is known.';

revoke all on function queue.signs_of_life(uuid, text, timestamptz, timestamptz) from public, anon, authenticated, service_role;
