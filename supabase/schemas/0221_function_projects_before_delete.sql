-- With a project go its tasks and results, by foreign keys: in the transaction of the deletion while they are few. Of a
-- project with more the row is only marked: its owner does not see it any more, no task is enqueued into it, and the rest
-- follows piece by piece (queue.settle_deletion), the row last.
create function queue.projects_before_delete()
returns trigger
language plpgsql
security definer -- looks at tasks on behalf of any caller who may delete projects
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if queue.goes_at_once(null, old.id)
    -- It goes with its owner, who is gone already: no row may stay behind.
    or not exists (select from public.users as u where u.id = old.user_id) then
    return old;
  end if;

  insert into queue.deferred_work (kind, user_id, deleted_id, reason, since)
  select 'project', old.user_id, old.id, queue.actor(), queue.now()
  where not queue.is_being_deleted(old.id);
  update public.projects as p set deleted_at = queue.now() where p.id = old.id and p.deleted_at is null;
  return null;
end;
$$;

comment on function queue.projects_before_delete() is
  'Trigger: a project with more than 100 tasks or 1,000 results is only marked as deleted, and goes piece by piece (queue.deferred_work).';

revoke all on function queue.projects_before_delete() from public, anon, authenticated, service_role;

create trigger projects_before_delete
  before delete on public.projects
  for each row execute function queue.projects_before_delete();
