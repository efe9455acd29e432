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
  v_said text := case when p_status in ('terminating', 'error') then 'active' else p_status end; -- only orchestrators send workers away
  v_status text;
begin
  -- Longer ids than this fit no index.
  if p_worker_id is null or length(p_worker_id) not between 1 and 200 then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'A beat names its worker in 1 to 200 characters', 'Send worker_id_param'
    );
  end if;

  if starts_with(p_worker_id, 'token:') then
    perform queue.refuse_name_of_a_token(p_worker_id);
  end if;

  -- Without nvidia-smi a worker sends 0/0: then it knows nothing, and what was known before is left.
  if p_vram_total::text ~ '^[1-9]\d{0,8}(\.\d{1,9})?$' then
    v_vram := jsonb_strip_nulls(jsonb_build_object(
      'vram_total_mb', p_vram_total::jsonb,
      'vram_used_mb', case when p_vram_used::text ~ '^\d{1,9}(\.\d{1,9})?$' then p_vram_used::jsonb end,
      'vram_timestamp', round(extract(epoch from p_now), 3)
    ));
  end if;

  -- The end of one machine is not that of others under the same name.
  if v_said in ('terminated', 'crashed') then
    select case when p_worker_id = any (s.shared_worker_ids) then 'active' else v_said end into v_said from queue.settings as s;
  end if;

  update public.workers as w
  set last_heartbeat = p_now,
    status = case
      -- Its own goodbye binds nobody, and a guardian that then finds its process gone brings no news.
      when w.goodbye_at is not null then case when v_said in ('terminated', 'crashed') then w.status else 'active' end
      when w.status in ('terminating', 'terminated') or (w.status = 'error' and w.reaped_at is null) then w.status
      when v_said in ('terminated', 'crashed') then v_said
      -- The reaper's error only meant silence.
      when w.status in ('inactive', 'spawning', 'crashed', 'error') then 'active'
      else w.status
    end,
    goodbye_at = case
      -- A new time, or the mark would be taken for somebody else's (queue.workers_before_status).
      when w.goodbye_at is not null and v_said in ('terminated', 'crashed')
        then greatest(p_now, w.goodbye_at + interval '1 microsecond')
      when v_said = 'terminated' and w.status not in ('terminating', 'terminated') and (w.status <> 'error' or w.reaped_at is not null)
        then p_now
    end,
    metadata = case
      when w.goodbye_at is not null and v_said in ('terminated', 'crashed') then w.metadata
      else queue.metadata_after_return(w)
    end || v_vram
  where w.id = p_worker_id
  returning w.status into v_status;
  if found then
    return v_status;
  end if;

  insert into public.workers as w (id, instance_type, status, last_heartbeat, created_at, metadata, goodbye_at)
  values (p_worker_id, 'external', v_said, p_now, p_now, v_vram, case v_said when 'terminated' then p_now end)
  on conflict (id) do nothing
  returning w.status into v_status;
  if found then
    return v_status;
  end if;
  -- Two first beats at once.
  return queue.beat(p_worker_id, p_status, p_vram_total, p_vram_used, p_now);
end;
$$;

comment on function queue.beat(text, text, json, json, timestamptz) is
  'Records a beat and returns the worker''s status after it. Unknown workers are added; inactive, spawning and crashed ones, those that only the reaper set to error and those that said goodbye become active; terminating, terminated and error as somebody else said it stay. With terminated the worker itself says goodbye, with crashed its guardian that it is gone. 400 INVALID_ARGUMENT without an id.';

revoke all on function queue.beat(text, text, json, json, timestamptz) from public, anon, authenticated, service_role;
