-- Users and projects are deleted at once while they are small, else piece by piece.

-- Deleting a user deletes projects, tasks, results and tokens, by foreign keys: in the same transaction while they are
-- few. For a user with more than 100 tasks, 1,000 results or 1,000 projects the deletion is only recorded, and
-- everything is deleted piece by piece (fairlane_core.settle_deletion), the row of users last: the app, or Supabase's
-- Auth through a foreign key of its own, gets its answer at once however much there is. The effect is immediate:
-- nothing of theirs starts, their tokens are unknown, no task enters their projects.
create function fairlane_core.users_before_delete()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may delete users
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if fairlane_core.goes_at_once(old.id, null) then
    -- Takes the locks that the foreign keys will need while a lock timeout can still be reported; tasks before their
    -- owner, as everywhere.
    if fairlane_core.is_plain_write() then
      begin
        perform from fairlane.tasks as t where t.user_id = old.id order by t.id for update;
        perform from fairlane_core.user_slots as s where s.user_id = old.id for update;
      exception when lock_not_available then
        perform fairlane_core.refuse_while_locked();
      end;
    end if;
    return old;
  end if;

  perform fairlane_core.defer_deletion(old);
  return null;
end;
$$;

create trigger users_before_delete
  before delete on fairlane.owners
  for each row execute function fairlane_core.users_before_delete();

-- Records that a user is to be deleted piece by piece; from now on nothing of theirs starts. Again: nothing.
create function fairlane_core.defer_deletion(p_user fairlane.owners)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if fairlane_core.is_being_deleted(p_user.id) then
    return;
  end if;

  insert into fairlane_core.deferred_work (kind, user_id, deleted_id, reason, since)
  values ('user', p_user.id, p_user.id, fairlane_core.actor(), fairlane_core.now());
  update fairlane.projects as p
  set deleted_at = fairlane_core.now()
  where p.id = any (array(
      select o.id from fairlane.projects as o where o.user_id = p_user.id and o.deleted_at is null limit 1000
    ));
  delete from fairlane.user_api_tokens as k where k.user_id = p_user.id;
  perform fairlane_core.lock_owners(array[p_user.id]);
  -- The row of users itself does not change: where an app has linked the two, an update in the transaction that deletes
  -- the account would still have to find the account.
  update fairlane_core.user_slots as s
  set (task_limit, orchestration_limit, cloud_reason, local_reason) = (
    select w.task_limit, w.orchestration_limit, w.cloud_reason, w.local_reason
    from fairlane_core.slots_of(p_user, s.running, s.orchestrating, s.remembered) as w
  )
  where s.user_id = p_user.id;
  perform fairlane_core.refresh_queues(array[p_user.id]);
end;
$$;

-- Deleting a user deletes projects, tasks, results and tokens, by foreign keys. The history of them is kept for a
-- while, and then deleted (fairlane_core.purge_kept).
create function fairlane_core.users_after_delete()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may delete users
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
begin
  insert into fairlane_core.deleted_users (user_id, deleted_at)
  values (old.id, fairlane_core.now())
  on conflict (user_id) do update set deleted_at = excluded.deleted_at;
  return null;
end;
$$;

create trigger users_after_delete
  after delete on fairlane.owners
  for each row execute function fairlane_core.users_after_delete();

-- Deleting a project deletes its tasks and results, by foreign keys: in the same transaction while they are few. A
-- project with more than 100 tasks or 1,000 results is only marked: its owner no longer sees it, no task enters it, and
-- the rest is deleted piece by piece (fairlane_core.settle_deletion), the row last.
create function fairlane_core.projects_before_delete()
returns trigger
language plpgsql
security definer -- looks at tasks on behalf of any caller who may delete projects
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if fairlane_core.goes_at_once(null, old.id)
    -- Its owner has already been deleted, so no row may remain.
    or not exists (select from fairlane.owners as u where u.id = old.user_id) then
    return old;
  end if;

  insert into fairlane_core.deferred_work (kind, user_id, deleted_id, reason, since)
  select 'project', old.user_id, old.id, fairlane_core.actor(), fairlane_core.now()
  where not fairlane_core.is_being_deleted(old.id);
  update fairlane.projects as p set deleted_at = fairlane_core.now() where p.id = old.id and p.deleted_at is null;
  return null;
end;
$$;

create trigger projects_before_delete
  before delete on fairlane.projects
  for each row execute function fairlane_core.projects_before_delete();

-- Whether a user (or else a project) is small enough to be deleted in one transaction: at most 100 tasks and 1,000
-- results (and projects).
create function fairlane_core.goes_at_once(p_user_id uuid, p_project_id uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_most_tasks constant integer := 100;
  v_most_others constant integer := 1000;
begin
  -- Two statements, because each has its own index.
  if p_project_id is not null then
    return (select count(*) from (select from fairlane.tasks as t where t.project_id = p_project_id limit v_most_tasks + 1) as n) <= v_most_tasks
      and (select count(*) from (select from fairlane.generations as g where g.project_id = p_project_id limit v_most_others + 1) as n) <= v_most_others;
  end if;
  return (select count(*) from (select from fairlane.tasks as t where t.user_id = p_user_id limit v_most_tasks + 1) as n) <= v_most_tasks
    and (select count(*) from (select from fairlane.generations as g where g.user_id = p_user_id limit v_most_others + 1) as n) <= v_most_others
    and (select count(*) from (select from fairlane.projects as p where p.user_id = p_user_id limit v_most_others + 1) as n) <= v_most_others;
end;
$$;

-- Whether a user or project counts as deleted although its row still exists while its contents are deleted piece by
-- piece (fairlane_core.settle_deletion).
create function fairlane_core.is_being_deleted(p_id uuid)
returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  select exists (select from fairlane_core.deferred_work as w where w.deleted_id = p_id);
$$;

-- Deletes the next piece of a deleted user or project, up to p_limit tasks (ten times as many results), and returns how
-- many; null when somebody holds what is left. Results first, because nothing depends on them, then tasks, a user's
-- newest first, so that most have neither children nor dependents left; then a user's projects, and finally the row
-- itself. Removing the mark from a project keeps what is left of it.
create function fairlane_core.settle_deletion(p_work fairlane_core.deferred_work, p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_is_user constant boolean := p_work.kind = 'user';
  v_owner uuid;
  v_mine uuid[];
  v_count integer;
begin
  if v_is_user then
    select u.id into v_owner from fairlane.owners as u where u.id = p_work.deleted_id;
  else
    select p.user_id into v_owner from fairlane.projects as p where p.id = p_work.deleted_id and p.deleted_at is not null;
  end if;
  if v_owner is null then
    delete from fairlane_core.deferred_work as w where w.id = p_work.id;
    return 0;
  end if;

  perform from fairlane_core.user_slots as s where s.user_id = v_owner for no key update skip locked;
  if not found and exists (select from fairlane_core.user_slots as s where s.user_id = v_owner) then
    return null;
  end if;

  if v_is_user then
    v_mine := array(select g.id from fairlane.generations as g where g.user_id = v_owner limit 10 * p_limit for update skip locked);
  else
    v_mine := array(
      select g.id from fairlane.generations as g where g.project_id = p_work.deleted_id limit 10 * p_limit for update skip locked
    );
  end if;
  if cardinality(v_mine) > 0 then
    delete from fairlane.generations as g where g.id = any (v_mine);
    return least(cardinality(v_mine), p_limit);
  end if;

  if v_is_user then
    v_mine := array(
      select t.id from fairlane.tasks as t where t.user_id = v_owner order by t.created_at desc limit p_limit for update skip locked
    );
  else
    v_mine := array(select t.id from fairlane.tasks as t where t.project_id = p_work.deleted_id limit p_limit for update skip locked);
  end if;
  if cardinality(v_mine) > 0 then
    -- The history records whose deletion it is.
    perform fairlane_core.set_event_context(coalesce(p_work.reason, 'fairlane_core.settle'));
    delete from fairlane.tasks as t where t.id = any (v_mine);
    perform fairlane_core.set_event_context('fairlane_core.settle');
    return cardinality(v_mine);
  elsif (v_is_user and exists (select from fairlane.tasks as t where t.user_id = v_owner))
    or (not v_is_user and exists (select from fairlane.tasks as t where t.project_id = p_work.deleted_id)) then
    return null;
  end if;

  if v_is_user then
    delete from fairlane.projects as p
    where p.id = any (array(select o.id from fairlane.projects as o where o.user_id = v_owner limit 5 * p_limit for update skip locked));
    get diagnostics v_count = row_count;
    if v_count > 0 then
      return least(v_count, p_limit);
    end if;
    delete from fairlane.owners as u where u.id = v_owner;
  else
    delete from fairlane.projects as p where p.id = p_work.deleted_id;
  end if;
  -- Somebody holds what is left, or more has arrived: try later.
  if not found then
    return null;
  end if;
  delete from fairlane_core.deferred_work as w where w.id = p_work.id;
  return 1;
end;
$$;
