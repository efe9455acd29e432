-- Whoever enqueues into a project reads its owner and holds the row until the tasks are there (queue.tasks_before_insert).
-- Before the owner changes they are waited for, and those who come later wait for the change and read the new one.
create function queue.projects_before_update()
returns trigger
language plpgsql
security definer -- locks a row on behalf of any caller who may update it
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  perform from public.projects as p where p.id = old.id for update;
  return new;
end;
$$;

comment on function queue.projects_before_update() is
  'Trigger: locks a project that is given to another user against those who enqueue into it.';

revoke all on function queue.projects_before_update() from public, anon, authenticated, service_role;

create trigger projects_before_update
  before update of user_id on public.projects
  for each row
  when (new.user_id <> old.user_id)
  execute function queue.projects_before_update();
