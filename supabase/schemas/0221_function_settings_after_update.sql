-- A changed default limit concerns every user without a limit of their own.
create function queue.settings_after_update()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_changed uuid[];
begin
  if new.stale_after <> old.stale_after then
    update public.tasks as t set standing = null where t.standing = 'stale';
  end if;

  if new.default_task_limit = old.default_task_limit then
    return null;
  end if;

  perform from queue.user_slots as s order by s.user_id for no key update;

  with changed as (
    update queue.user_slots as s
    set (task_limit, cloud_reason, local_reason) = (
      select w.task_limit, w.cloud_reason, w.local_reason from queue.slots_of(u, s.running) as w
    )
    from public.users as u
    where u.id = s.user_id
      and u.max_in_progress is null
      and s.task_limit <> new.default_task_limit
    returning s.user_id
  )
  select array_agg(c.user_id) into v_changed from changed as c;

  perform queue.refresh_lines(v_changed);
  return null;
end;
$$;

comment on function queue.settings_after_update() is 'Trigger: applies a changed default_task_limit to the users it concerns.';

revoke all on function queue.settings_after_update() from public, anon, authenticated, service_role;

create trigger settings_after_update
  after update on queue.settings
  for each row execute function queue.settings_after_update();
