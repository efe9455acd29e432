-- A type that appears, changes pool or is switched off concerns every live task of that type.
create function queue.task_types_after_write()
returns trigger
language plpgsql
security definer -- updates tasks on behalf of any caller who may write types
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
begin
  -- The update trigger derives pool, slot and standing again where pool is null.
  update public.tasks as t
  set pool = null
  where t.task_type in (old.name, new.name) -- old is null in an insert, new in a delete
    and t.standing is not null;
  return null;
end;
$$;

comment on function queue.task_types_after_write() is 'Trigger: derives pool, slot and standing of a type''s live tasks again.';

revoke all on function queue.task_types_after_write() from public, anon, authenticated, service_role;

create trigger task_types_after_write
  after insert or update or delete on public.task_types
  for each row execute function queue.task_types_after_write();
