-- A table that somebody has locked (a migration, vacuum full, lock table) must not make every caller wait in line behind
-- it: they hold the connections that others need. So the functions of the API wait 200 ms for a lock, and then say this.
create function queue.refuse_while_locked()
returns void
language plpgsql
volatile
security definer -- the functions of the API run with their caller's rights
set search_path = ''
as $$
begin
  perform queue.refuse(
    503, 'UNAVAILABLE', 'Another session holds what this call needs',
    'Nothing was changed: repeat the same request; health names that session'
  );
end;
$$;

comment on function queue.refuse_while_locked() is
  'Refuses a call that got 55P03 (lock_timeout): 503 UNAVAILABLE.';

revoke all on function queue.refuse_while_locked() from public, anon, authenticated, service_role;
grant execute on function queue.refuse_while_locked() to service_role;
