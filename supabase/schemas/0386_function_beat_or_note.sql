-- A beat that somebody's open transaction does not delay: while the worker's row is held, it is noted elsewhere.
create function queue.beat_or_note(p_worker_id text, p_status text, p_vram_total json, p_vram_used json, p_now timestamptz)
returns text
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms' -- taken back when the function ends; what counts is the setting below
as $$
begin
  -- For a row one may wait twice: in line, and for its holder.
  perform set_config('lock_timeout', ceil(400 * extract(epoch from s.max_lock_wait)) || 'ms', true)
  from queue.settings as s;
  return queue.beat(p_worker_id, p_status, p_vram_total, p_vram_used, p_now);
exception when lock_not_available then
  insert into queue.noted_beats as b (worker_id, beat_at, status)
  values (p_worker_id, p_now, case when p_status in ('terminated', 'crashed') then p_status end)
  on conflict (worker_id, beat_at) do update set status = coalesce(b.status, excluded.status);
  return (select w.status from public.workers as w where w.id = p_worker_id);
end;
$$;

comment on function queue.beat_or_note(text, text, json, json, timestamptz) is
  'queue.beat, or, when another transaction holds the worker''s row, a row in queue.noted_beats. Returns the worker''s status.';

revoke all on function queue.beat_or_note(text, text, json, json, timestamptz) from public, anon, authenticated, service_role;
