-- One sign of life of a worker. Time is the database's; what the row already knows stays, whoever writes at the same
-- moment, because nothing is read before it is written.
create function queue.beat(p_worker_id text, p_status text, p_vram_total json, p_vram_used json, p_now timestamptz)
returns text
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_vram jsonb := '{}'::jsonb;
  v_status text;
begin
  -- Longer ids than this fit no index.
  if p_worker_id is null or length(p_worker_id) not between 1 and 200 then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'A beat names its worker in 1 to 200 characters', 'Send worker_id_param'
    );
  end if;

  perform queue.refuse_name_of_a_token(p_worker_id);

  -- Without nvidia-smi a worker sends 0/0: then it knows nothing, and what was known before is left.
  if p_vram_total::text ~ '^[1-9]\d{0,8}(\.\d{1,9})?$' then
    v_vram := jsonb_strip_nulls(jsonb_build_object(
      'vram_total_mb', p_vram_total::jsonb,
      'vram_used_mb', case when p_vram_used::text ~ '^\d{1,9}(\.\d{1,9})?$' then p_vram_used::jsonb end,
      'vram_timestamp', round(extract(epoch from p_now), 3)
    ));
  end if;

  update public.workers as w
  set last_heartbeat = p_now,
    status = case
      when w.status in ('terminating', 'terminated') or (w.status = 'error' and w.reaped_at is null) then w.status
      when p_status = 'crashed' then 'crashed'
      -- The reaper's error only meant silence.
      when w.status in ('inactive', 'spawning', 'crashed', 'error') then 'active'
      else w.status
    end,
    metadata = case
      when w.reaped_at is null and w.status <> 'crashed' then w.metadata
      -- What was wrong is over, or something else is.
      else w.metadata - '{error_reason,error_time}'::text[]
        || jsonb_build_object('last_error_reason', w.metadata -> 'error_reason')
    end || v_vram
  where w.id = p_worker_id
  returning w.status into v_status;

  if not found then
    insert into public.workers as w (id, instance_type, status, last_heartbeat, created_at, metadata)
    values (p_worker_id, 'external', p_status, p_now, p_now, v_vram)
    -- Two first beats at once.
    on conflict (id) do update set last_heartbeat = excluded.last_heartbeat
    returning w.status into v_status;
  end if;
  return v_status;
end;
$$;

comment on function queue.beat(text, text, json, json, timestamptz) is
  'Records a beat and returns the worker''s status after it. Unknown workers are added; inactive, spawning and crashed ones and those that only the reaper set to error become active; terminating, terminated and anybody else''s error stay. 400 INVALID_ARGUMENT without an id.';

revoke all on function queue.beat(text, text, json, json, timestamptz) from public, anon, authenticated, service_role;
