-- What an app keeps beside its users is read with each of them, so it has the bounds of params.
create function queue.users_keep_settings_small()
returns trigger
language plpgsql
security definer -- whoever may write may hear the refusal
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if tg_op = 'INSERT' or new.settings is distinct from old.settings then
    perform queue.refuse_large_json(new.settings, 'settings');
  end if;
  return new;
end;
$$;

comment on function queue.users_keep_settings_small() is
  'Trigger: refuses settings of users that are out of the bounds of queue.json_fault with 413 PARAMS_TOO_LARGE.';

revoke all on function queue.users_keep_settings_small() from public, anon, authenticated, service_role;

create trigger users_keep_settings_small
  before insert or update of settings on public.users
  for each row
  when (pg_column_size(new.settings) > 100)
  execute function queue.users_keep_settings_small();
