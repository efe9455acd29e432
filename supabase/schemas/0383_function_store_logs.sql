-- Stores every log line it can. All in one statement; only if that fails, by halves, so that a line that cannot be
-- stored costs itself and no other.
create function queue.store_logs(p_logs json[], p_worker_id text, p_now timestamptz)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_max_length integer := (select s.max_text_length from queue.settings as s);
  v_half integer := cardinality(p_logs) / 2;
  v_count integer;
begin
  insert into public.system_logs (
    "timestamp", source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata
  )
  select
    queue.log_time(l.entry ->> 'timestamp', p_now),
    case when p_worker_id is null then coalesce(left(l.entry ->> 'source_type', 200), 'unknown') else 'worker' end,
    coalesce(p_worker_id, left(l.entry ->> 'source_id', 200)),
    coalesce(left(l.entry ->> 'log_level', 200), left(l.entry ->> 'level', 200), 'INFO'),
    case
      when length(l.entry ->> 'message') > v_max_length then queue.cut_text(l.entry ->> 'message')
      else coalesce(l.entry ->> 'message', '')
    end,
    -- No longer than an index can hold.
    left(l.entry ->> 'task_id', 200),
    coalesce(p_worker_id, left(l.entry ->> 'worker_id', 200)),
    case when l.entry ->> 'cycle_number' ~ '^\d{1,9}$' then (l.entry ->> 'cycle_number')::integer end,
    case
      when (l.entry -> 'metadata')::text = '{}' or l.entry -> 'metadata' is null then '{}'
      when length((l.entry -> 'metadata')::text) > v_max_length
        then jsonb_build_object('metadata', queue.cut_text((l.entry -> 'metadata')::text))
      else queue.log_metadata(l.entry -> 'metadata')
    end
  from unnest(p_logs) as l (entry)
  where json_typeof(l.entry) = 'object';

  get diagnostics v_count = row_count;
  return v_count;
exception
  when data_exception or integrity_constraint_violation or program_limit_exceeded then
    if v_half = 0 then
      return 0;
    end if;
    return queue.store_logs(p_logs[:v_half], p_worker_id, p_now)
      + queue.store_logs(p_logs[v_half + 1:], p_worker_id, p_now);
end;
$$;

comment on function queue.store_logs(json[], text, timestamptz) is
  'Stores log lines as docs/architecture.md describes them, as a worker''s own when it is named, and returns how many it could.';

revoke all on function queue.store_logs(json[], text, timestamptz) from public, anon, authenticated, service_role;
