-- Whether a worker that beat last at this time still counts as beating.
create function queue.is_beating(p_last_beat timestamptz)
returns boolean
language plpgsql
stable
security definer -- asked by a trigger with the rights of whoever writes
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
begin
  return coalesce(queue.seen_at(p_last_beat, v_now) > v_now - (select s.gpu_silence_limit from queue.settings as s), false);
end;
$$;

comment on function queue.is_beating(timestamptz) is
  'Whether a last beat of this time is younger than gpu_silence_limit, also where the clock has been set back (queue.seen_at); false for null.';

revoke all on function queue.is_beating(timestamptz) from public, anon, authenticated, service_role;
-- A trigger asks it with the rights of whoever writes.
grant execute on function queue.is_beating(timestamptz) to service_role;
