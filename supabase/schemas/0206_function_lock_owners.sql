-- The owners of what a write changes, in the order of their ids. A plain write over the Data API that meets a lock is told so
-- (queue.is_plain_write); functions and sessions get 55P03.
create function queue.lock_owners(p_user_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform from queue.user_slots as s where s.user_id = any (p_user_ids) order by s.user_id for no key update;
exception when lock_not_available then
  if queue.is_plain_write() then
    perform queue.refuse_while_locked();
  end if;
  raise;
end;
$$;

comment on function queue.lock_owners(uuid[]) is
  'Locks the slots of these users in the order of their ids; 503 UNAVAILABLE in place of 55P03 to a plain write over the Data API.';

revoke all on function queue.lock_owners(uuid[]) from public, anon, authenticated, service_role;
