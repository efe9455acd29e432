-- Ready tasks that their type's change has not reached yet (queue.deferred_work), as counts have to see them: not ready,
-- or ready elsewhere. Bounded: of an owner with more of them than are looked at, only those that were looked at count as
-- ready until they are through, as less is promised then than there is, and never more.
create function queue.overtaken_by_types(p_user_id uuid)
returns setof queue.load_change
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 1000;
  v_types text[] := array(select distinct w.task_type from queue.deferred_work as w where w.task_type is not null);
  v_owners uuid[] := array(
    select distinct l.user_id
    from queue.user_lines as l
    where l.ready_cloud + l.ready_cloud_orchestration + l.ready_local + l.ready_local_orchestration > 0
      and (p_user_id is null or l.user_id = p_user_id)
  );
  v_per_owner integer := greatest(v_most / greatest(cardinality(v_owners) * cardinality(v_types), 1), 10);
begin
  return query
  with found as materialized (
    select
      o.user_id, y.name as task_type, b.pool, b.run_type, b.takes_slot,
      queue.is_behind_its_type(y.name, b.pool, b.takes_slot, b.runs_on_own_gpu, b.standing) as is_behind, count(*)::integer as task_count
    from unnest(v_owners) as o (user_id)
      cross join unnest(v_types) as y (name)
      cross join lateral (
        select t.pool, t.run_type, t.takes_slot, t.runs_on_own_gpu, t.standing
        from public.tasks as t
        where t.user_id = o.user_id
          and left(t.task_type, 200) = left(y.name, 200)
          and t.task_type = y.name
          and t.standing is not null
        limit v_per_owner
      ) as b
    where b.standing = 'ready'
    group by 1, 2, 3, 4, 5, 6
  ),
  -- There may be more.
  unknown as materialized (
    select o.user_id
    from unnest(v_owners) as o (user_id)
      cross join unnest(v_types) as y (name)
    where (
      select count(*)
      from (
        select
        from public.tasks as t
        where t.user_id = o.user_id
          and left(t.task_type, 200) = left(y.name, 200)
          and t.task_type = y.name
          and t.standing is not null
        limit v_per_owner
      ) as n
    ) = v_per_owner
    group by o.user_id
  ),
  changed as (
    select f.user_id, f.pool, f.run_type = 'cloud' as is_cloud, f.takes_slot, 'ready' as standing, -f.task_count as delta
    from found as f
    where f.is_behind
      and not exists (select from unknown as u where u.user_id = f.user_id)
    union all
    select
      f.user_id, coalesce(y.run_type, 'gpu'), f.run_type = 'cloud', queue.takes_slot(f.task_type, y.category),
      case when y.is_active is false then 'type_inactive' else 'ready' end, f.task_count
    from found as f
      left join public.task_types as y on y.name = f.task_type
    where f.is_behind
      and not exists (select from unknown as u where u.user_id = f.user_id)
    union all
    -- Of those that are not known whole: what was seen is ready where its type belongs, all else is not.
    select
      f.user_id,
      case c.standing when 'ready' then coalesce(y.run_type, 'gpu') else f.pool end,
      f.run_type = 'cloud',
      case c.standing when 'ready' then queue.takes_slot(f.task_type, y.category) else f.takes_slot end,
      c.standing, c.sign * f.task_count
    from found as f
      left join public.task_types as y on y.name = f.task_type
      cross join (values ('ready', 1), ('type_inactive', -1)) as c (standing, sign)
    where f.user_id in (select u.user_id from unknown as u)
      and y.is_active is not false
    union all
    select l.user_id, l.pool, r.is_cloud, r.takes_slot, c.standing, c.sign * r.task_count
    from queue.user_lines as l
      cross join lateral (
        values
          (true, true, l.ready_cloud), (true, false, l.ready_cloud_orchestration),
          (false, true, l.ready_local), (false, false, l.ready_local_orchestration)
      ) as r (is_cloud, takes_slot, task_count)
      cross join (values ('ready', -1), ('type_inactive', 1)) as c (standing, sign)
    where l.user_id in (select u.user_id from unknown as u)
      and r.task_count > 0
  )
  select c.user_id, c.pool, c.is_cloud, c.takes_slot, c.standing, sum(c.delta)::integer
  from changed as c
  group by 1, 2, 3, 4, 5;
end;
$$;

comment on function queue.overtaken_by_types(uuid) is
  'By how much the derived counters are ahead because types have changed and not all of their tasks are derived again; of one owner, or of all (null).';

revoke all on function queue.overtaken_by_types(uuid) from public, anon, authenticated, service_role;
