-- A task's owner is its project's owner, and so is whose limit it takes, who pays, and who may see its results. A project
-- that holds any of that does not change hands by a mere update: queue.move_project takes all of it along.
-- Asked after the update, when row level security has had its say.
create function queue.projects_after_update()
returns trigger
language plpgsql
security definer -- looks at tasks on behalf of any caller who may write projects
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if coalesce(current_setting('queue.moves_project', true), '') <> old.id::text
    and (
      exists (select from public.tasks as t where t.project_id = old.id)
      or exists (select from public.generations as g where g.project_id = old.id)
    ) then
    perform queue.refuse(
      409, 'PROJECT_HAS_TASKS', pg_catalog.format('Project %s holds tasks or results, which would stay with its former owner', old.id),
      pg_catalog.format('With the service key: move_project {"p_project_id": "%s", "p_user_id": "%s"}', old.id, new.user_id)
    );
  end if;
  return null;
end;
$$;

comment on function queue.projects_after_update() is
  'Trigger: refuses to give a project with tasks or results to another user (409 PROJECT_HAS_TASKS), except to queue.move_project.';

revoke all on function queue.projects_after_update() from public, anon, authenticated, service_role;

create trigger projects_after_update
  after update of user_id on public.projects
  for each row
  when (new.user_id <> old.user_id)
  execute function queue.projects_after_update();
