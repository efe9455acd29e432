-- A type that appears, changes pool, machines or kind or is switched on or off concerns every live task of that type. Few are
-- derived again at once, many by and by (queue.deferred_work): the change itself costs the same however many are queued,
-- and claims obey it from its commit on (queue.lock_head_of_line).
create function queue.task_types_after_write()
returns trigger
language plpgsql
security definer -- updates tasks on behalf of any caller who may write types
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 100;
  v_look constant integer := 1000;
  v_types text[] := array(select distinct n.name from unnest(array[old.name, new.name]) as n (name) where n.name is not null);
  v_owners uuid[];
  v_live uuid[];
  v_mine uuid[];
begin
  if (old.name, old.run_type, old.category, old.is_active, old.runs_on_own_gpu)
    is not distinct from (new.name, new.run_type, new.category, new.is_active, new.runs_on_own_gpu) then
    return null;
  end if;

  v_owners := array(select o.user_id from queue.owners_with_live_tasks(null, v_look + 1) as o (user_id));
  if cardinality(v_owners) <= v_look then
    v_live := array(
      select t.id
      from unnest(v_owners) as o (user_id)
        cross join unnest(v_types) as y (name)
        cross join lateral (select l.id from queue.live_tasks_of_type(o.user_id, y.name, null, v_most + 1) as l (id)) as t
      limit v_most + 1
    );
  end if;

  if cardinality(v_owners) > v_look or cardinality(v_live) > v_most then
    insert into queue.deferred_work (kind, task_type, since) select 'type', y.name, queue.now() from unnest(v_types) as y (name);
    return null;
  end if;

  v_mine := array(select t.id from public.tasks as t where t.id = any (v_live) order by t.id for no key update skip locked);
  -- The update trigger derives pool, slot and standing again where pool is null.
  update public.tasks as t
  set pool = null
  where t.id = any (v_mine)
    and t.standing is not null;
  -- What somebody is just changing may have been derived before this change.
  insert into queue.deferred_work (kind, task_type, user_id, only_id, since)
  select 'type', t.task_type, coalesce(t.user_id, '00000000-0000-0000-0000-000000000000'), t.id, queue.now()
  from public.tasks as t
  where t.id = any (v_live)
    and t.id <> all (v_mine);
  return null;
end;
$$;

comment on function queue.task_types_after_write() is
  'Trigger: derives pool, slot and standing of a type''s live tasks again; later, when they are many.';

revoke all on function queue.task_types_after_write() from public, anon, authenticated, service_role;

create trigger task_types_after_write
  after insert or update or delete on public.task_types
  for each row execute function queue.task_types_after_write();
