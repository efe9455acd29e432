-- Whether a user or project is deleted already, though the row is still there while what it had goes piece by piece
-- (queue.settle_deletion).
create function queue.is_being_deleted(p_id uuid)
returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  select exists (select from queue.deferred_work as w where w.deleted_id = p_id);
$$;

comment on function queue.is_being_deleted(uuid) is 'True while this user or project is deleted piece by piece.';

revoke all on function queue.is_being_deleted(uuid) from public, anon, authenticated, service_role;
