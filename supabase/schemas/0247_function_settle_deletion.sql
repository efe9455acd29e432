-- The next piece of a user or project that is deleted: results first, which are in nobody's way, then tasks, a user's
-- newest first, so that most have neither children nor dependants left when it is their turn; then a user's projects, and
-- in the end the row itself. What somebody holds stays for a later piece. Whoever takes the mark off a project again keeps
-- what is left of it.
create function queue.settle_deletion(p_work queue.deferred_work, p_limit integer)
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
    select u.id into v_owner from public.users as u where u.id = p_work.deleted_id;
  else
    select p.user_id into v_owner from public.projects as p where p.id = p_work.deleted_id and p.deleted_at is not null;
  end if;
  if v_owner is null then
    delete from queue.deferred_work as w where w.id = p_work.id;
    return 0;
  end if;

  perform from queue.user_slots as s where s.user_id = v_owner for no key update skip locked;
  if not found and exists (select from queue.user_slots as s where s.user_id = v_owner) then
    return null;
  end if;

  if v_is_user then
    v_mine := array(select g.id from public.generations as g where g.user_id = v_owner limit 10 * p_limit for update skip locked);
  else
    v_mine := array(
      select g.id from public.generations as g where g.project_id = p_work.deleted_id limit 10 * p_limit for update skip locked
    );
  end if;
  if cardinality(v_mine) > 0 then
    delete from public.generations as g where g.id = any (v_mine);
    return least(cardinality(v_mine), p_limit);
  end if;

  if v_is_user then
    v_mine := array(
      select t.id from public.tasks as t where t.user_id = v_owner order by t.created_at desc limit p_limit for update skip locked
    );
  else
    v_mine := array(select t.id from public.tasks as t where t.project_id = p_work.deleted_id limit p_limit for update skip locked);
  end if;
  if cardinality(v_mine) > 0 then
    -- The history says whose deletion it is.
    perform queue.say(coalesce(p_work.reason, 'queue.settle'));
    delete from public.tasks as t where t.id = any (v_mine);
    perform queue.say('queue.settle');
    return cardinality(v_mine);
  elsif (v_is_user and exists (select from public.tasks as t where t.user_id = v_owner))
    or (not v_is_user and exists (select from public.tasks as t where t.project_id = p_work.deleted_id)) then
    return null;
  end if;

  if v_is_user then
    delete from public.projects as p
    where p.id = any (array(select o.id from public.projects as o where o.user_id = v_owner limit 5 * p_limit for update skip locked));
    get diagnostics v_count = row_count;
    if v_count > 0 then
      return least(v_count, p_limit);
    end if;
    delete from public.users as u where u.id = v_owner;
  else
    delete from public.projects as p where p.id = p_work.deleted_id;
  end if;
  -- Somebody holds what is left, or more has come: later.
  if not found then
    return null;
  end if;
  delete from queue.deferred_work as w where w.id = p_work.id;
  return 1;
end;
$$;

comment on function queue.settle_deletion(queue.deferred_work, integer) is
  'Deletes the next piece of a deleted user or project, up to p_limit tasks (ten times as many results), and returns how many; null when somebody holds what is left.';

revoke all on function queue.settle_deletion(queue.deferred_work, integer) from public, anon, authenticated, service_role;
