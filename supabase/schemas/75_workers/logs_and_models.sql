-- What workers send besides heartbeats: log lines, bounded and stored; the model they have loaded; refused claims.

-- Log lines of orchestrators, which never retry: what can be stored is stored, the rest is counted.
-- See fairlane.func_insert_logs_batch.
create function fairlane_core.insert_logs_batch(p_body json)
returns json
language plpgsql
volatile
security definer -- its helpers are internal
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_body json := fairlane_core.readable_json(p_body);
  v_logs json[];
  v_surplus integer;
  v_stored integer;
begin
  select b.logs, b.surplus
  into v_logs, v_surplus
  from fairlane_core.bounded_logs(case when json_typeof(v_body) = 'object' then v_body -> 'logs' else v_body end) as b;
  v_stored := fairlane_core.store_logs(v_logs, null, fairlane_core.now());

  return json_build_object(
    'success', true,
    'inserted', v_stored,
    'errors', cardinality(v_logs) - v_stored + v_surplus
  );
end;
$$;

-- Stores log lines as docs/architecture.md describes them, as a worker's own when it is named, and returns how many
-- were stored. All in one statement; only if that fails, by halves, so that a line that cannot be stored costs no other
-- line.
create function fairlane_core.store_logs(p_logs json[], p_worker_id text, p_now timestamptz)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_max_length integer := (select s.max_text_length from fairlane_core.settings as s);
  v_half integer := cardinality(p_logs) / 2;
  v_count integer;
begin
  insert into fairlane.system_logs (
    "timestamp", source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata
  )
  select
    fairlane_core.log_time(l.entry ->> 'timestamp', p_now),
    case when p_worker_id is null then coalesce(left(l.entry ->> 'source_type', 200), 'unknown') else 'worker' end,
    coalesce(p_worker_id, left(l.entry ->> 'source_id', 200)),
    coalesce(left(l.entry ->> 'log_level', 200), left(l.entry ->> 'level', 200), 'INFO'),
    case
      when length(l.entry ->> 'message') > v_max_length then fairlane_core.cut_text(l.entry ->> 'message')
      else coalesce(l.entry ->> 'message', '')
    end,
    -- No longer than an index entry may be.
    left(l.entry ->> 'task_id', 200),
    coalesce(p_worker_id, left(l.entry ->> 'worker_id', 200)),
    case when l.entry ->> 'cycle_number' ~ '^\d{1,9}$' then (l.entry ->> 'cycle_number')::integer end,
    case
      when (l.entry -> 'metadata')::text = '{}' or l.entry -> 'metadata' is null then '{}'
      when length((l.entry -> 'metadata')::text) > v_max_length
        then jsonb_build_object('metadata', fairlane_core.cut_text((l.entry -> 'metadata')::text))
      else fairlane_core.log_metadata(l.entry -> 'metadata')
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
    return fairlane_core.store_logs(p_logs[:v_half], p_worker_id, p_now)
      + fairlane_core.store_logs(p_logs[v_half + 1:], p_worker_id, p_now);
end;
$$;

-- The lines of a request up to its limit: the first fairlane_core.settings.max_logs_per_call elements of the array, and
-- how many there are beyond; anything but an array counts as one beyond.
create function fairlane_core.bounded_logs(p_logs json, out logs json[], out surplus integer)
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max integer := (select s.max_logs_per_call from fairlane_core.settings as s);
begin
  logs := array[]::json[];
  surplus := 0;
  if json_typeof(p_logs) = 'array' then
    surplus := greatest(json_array_length(p_logs) - v_max, 0);
    logs := array(
      select l.entry
      from json_array_elements(p_logs) with ordinality as l (entry, place)
      where l.place <= v_max
      order by l.place
    );
  elsif json_typeof(p_logs) <> 'null' then
    surplus := 1;
  end if;
end;
$$;

-- When a log line was written: the time that it names, if that is within the last day and not ahead of the clock; else
-- the time given as now. Logs are read and purged by this time: a line dated next year would stay for ever, one from
-- 1970 would be gone before anyone has read it.
create function fairlane_core.log_time(p_text text, p_now timestamptz)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
set timezone = 'UTC' -- for a time without a zone
as $$
declare
  v_time timestamptz;
begin
  -- Also excludes words that Postgres reads as times: now, today, infinity.
  if p_text !~ '^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}' then
    return p_now;
  end if;
  v_time := p_text::timestamptz;
  if v_time between p_now - interval '1 day' and p_now + interval '5 minutes' then
    return v_time;
  end if;
  return p_now;
exception
  when data_exception then
    return p_now;
end;
$$;

-- The metadata of a log line, always as an object; anything else, or what cannot be stored as one, is put under the key
-- metadata.
create function fairlane_core.log_metadata(p_metadata json)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_metadata jsonb;
begin
  v_metadata := p_metadata::jsonb;
  return case
    when jsonb_typeof(v_metadata) = 'null' then '{}'
    -- Short as sent, but huge once its numbers are written out.
    when fairlane_core.written_length(v_metadata, 1048576) is null then jsonb_build_object('metadata', p_metadata::text)
    when jsonb_typeof(v_metadata) = 'object' then v_metadata
    else jsonb_build_object('metadata', v_metadata)
  end;
exception
  -- json accepts numbers of any size, jsonb does not.
  when numeric_value_out_of_range then
    return jsonb_build_object('metadata', p_metadata::text);
end;
$$;

-- The same JSON with U+FFFD, the replacement character, in place of what JSON may contain and Postgres cannot store:
-- \u0000, and unpaired surrogates. So one odd byte in a log line costs one character.
create function fairlane_core.readable_json(p_json json)
returns json
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_text text := p_json::text;
  -- Temporarily replaces an escaped backslash, so that \\u0000 stays the six characters it means. JSON text contains no
  -- control characters, so this one is free.
  v_backslash constant text := chr(1);
begin
  if v_text !~* '\\u(0000|d[89a-f])' then
    return p_json;
  end if;

  v_text := replace(v_text, '\\', v_backslash);
  v_text := replace(v_text, '\u0000', '\ufffd');
  v_text := regexp_replace(v_text, '\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})', '\\ufffd', 'gi');
  v_text := regexp_replace(v_text, '(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}', '\\ufffd', 'gi');
  return replace(v_text, v_backslash, '\\')::json;
end;
$$;

-- Which model a worker has loaded: claims prefer tasks that suit it. A worker without a row is not created here,
-- because with a row it would be expected to send heartbeats.
-- See fairlane.update_worker_model.
create function fairlane_core.update_worker_model(p_caller jsonb, p_worker_id text, p_model text)
returns json
language plpgsql
volatile
security definer -- looks up the caller's token
set search_path = ''
as $$
declare
  v_model constant text := left(p_model, 200); -- cut like tasks.model
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  if v_model is null or v_model = '' then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The model must be named');
  end if;

  -- Workers report it before every generation: the same model again writes nothing.
  update fairlane.workers as w
  set current_model = v_model
  where w.id = p_worker_id
    and w.current_model is distinct from v_model;

  if not found and not exists (select from fairlane.workers as w where w.id = p_worker_id) then
    perform fairlane_core.refuse(
      404, 'WORKER_NOT_FOUND', pg_catalog.format('There is no worker %s', p_worker_id), 'Its first heartbeat creates its row'
    );
  end if;

  return json_build_object('worker_id', p_worker_id, 'current_model', v_model);
end;
$$;

-- Records that a worker claims although it gets nothing. The refused claim has rolled back, so the function that
-- answers it calls this; an idle poll of a refused worker writes once a minute.
-- See fairlane.note_refused_claim.
create function fairlane_core.note_refused_claim(p_caller jsonb, p_worker_id text)
returns boolean
language plpgsql
volatile
security definer -- API roles only read the table
set search_path = ''
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service']);
  v_now timestamptz := fairlane_core.now();
  v_status text;
begin
  -- An orchestrator took this api worker for silent or gone. It is not: its next claim will be served.
  update fairlane.workers as w
  set status = 'active', metadata = fairlane_core.metadata_after_return(w)
  where w.id = p_worker_id
    and v_caller.kind = 'service'
    and w.instance_type = 'api'
    and w.status in ('terminating', 'terminated', 'error')
    and w.reaped_at is not null;
  if found then
    return false;
  end if;

  select w.status
  into v_status
  from fairlane.workers as w
  where w.id = p_worker_id
    and v_caller.kind = 'service'
    and w.status in ('terminating', 'terminated', 'error')
    and w.goodbye_at is null
    and not exists (
      select
      from fairlane_core.claim_refusals as r
      where r.worker_id = w.id
        and r.last_at > v_now - interval '1 minute'
    );
  if not found then
    return false;
  end if;

  insert into fairlane_core.claim_refusals as r (worker_id, status, first_at, last_at)
  values (p_worker_id, v_status, v_now, v_now)
  on conflict (worker_id) do update
  set status = excluded.status, last_at = excluded.last_at;

  delete from fairlane_core.claim_refusals as r where r.last_at < v_now - interval '7 days';
  return true;
end;
$$;
