-- Waits for the lock on an owner whom another transaction holds. Not for a transaction that is left open: somebody who
-- waits there waits for its client. So the wait is short, and begins again only while the holders change, as claims do
-- that follow each other.
create function queue.wait_for_owner(p_user_id uuid)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '120ms' -- taken back when the function ends; what counts is the setting below
as $$
declare
  v_started_at timestamptz := clock_timestamp();
  v_max_wait interval := (select s.max_lock_wait from queue.settings as s);
  v_holder text;
  v_next_holder text;
begin
  -- To get a row one waits twice: in line behind others who wait, then for the holder.
  perform set_config('lock_timeout', ceil(500 * extract(epoch from v_max_wait)) || 'ms', true);
  loop
    select s.xmin::text || ' ' || s.xmax::text into v_holder from queue.user_slots as s where s.user_id = p_user_id;
    begin
      perform from queue.user_slots as s where s.user_id = p_user_id for no key update;
      return found;
    exception when lock_not_available then
      select s.xmin::text || ' ' || s.xmax::text into v_next_holder from queue.user_slots as s where s.user_id = p_user_id;
    end;
    if v_next_holder is distinct from v_holder then
      -- Somebody got it. Nobody comes last for ever, and no caller is kept for ever.
      exit when clock_timestamp() > v_started_at + 20 * v_max_wait;
    else
      -- Half of the time is left when nobody else was in line.
      exit when clock_timestamp() > v_started_at + 0.6 * v_max_wait;
    end if;
  end loop;
  return false;
end;
$$;

comment on function queue.wait_for_owner(uuid) is
  'Locks an owner''s slots, and waits for that no longer than queue.settings.max_lock_wait for one transaction that holds them; false when it did not get them.';

revoke all on function queue.wait_for_owner(uuid) from public, anon, authenticated, service_role;
