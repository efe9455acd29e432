-- With a user go projects, tasks, results and tokens, by foreign keys. What the history tells of them is kept for a while,
-- and then deleted (queue.purge_kept).
create function queue.users_after_delete()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may delete users
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
begin
  insert into queue.deleted_users (user_id, deleted_at)
  values (old.id, queue.now())
  on conflict (user_id) do update set deleted_at = excluded.deleted_at;
  return null;
end;
$$;

comment on function queue.users_after_delete() is
  'Trigger: remembers that a user was deleted, so that the history forgets them in time.';

revoke all on function queue.users_after_delete() from public, anon, authenticated, service_role;

create trigger users_after_delete
  after delete on public.users
  for each row execute function queue.users_after_delete();
