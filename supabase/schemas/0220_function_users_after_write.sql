-- What a user may is copied into the user's slots row, so that a claim reads one row and one malformed setting
-- concerns one user. Closing or opening the user's lines happens here too.
create function queue.users_after_write()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may write users
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_slots queue.user_slots := queue.slots_of(new, 0);
begin
  insert into queue.user_slots as s
  values (v_slots.*)
  on conflict (user_id) do update
    set (task_limit, has_credits, cloud_on, local_on, settings_malformed, cloud_reason, local_reason) = (
      select w.task_limit, w.has_credits, w.cloud_on, w.local_on, w.settings_malformed, w.cloud_reason, w.local_reason
      from queue.slots_of(new, s.running) as w
    )
    where (s.task_limit, s.has_credits, s.cloud_on, s.local_on, s.settings_malformed)
      is distinct from
      (excluded.task_limit, excluded.has_credits, excluded.cloud_on, excluded.local_on, excluded.settings_malformed);

  if found then
    perform queue.refresh_lines(array[new.id]);
  end if;
  return null;
end;
$$;

comment on function queue.users_after_write() is 'Trigger: keeps queue.user_slots and the user''s lines in step with the user row.';

revoke all on function queue.users_after_write() from public, anon, authenticated, service_role;

create trigger users_after_write
  after insert or update on public.users
  for each row execute function queue.users_after_write();
