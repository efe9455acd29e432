-- What the derived counters should be, counted from the tasks. The one query that drift and reconcile share.
create function queue.recount(p_user_id uuid)
returns setof queue.user_lines
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return query
  select
    c.user_id, c.pool,
    c.ready_cloud, c.ready_cloud_orchestration, c.ready_local, c.ready_local_orchestration,
    c.active_cloud, c.active_cloud_orchestration, c.active_local, c.active_local_orchestration,
    n.running,
    (c.ready_cloud > 0 or (c.ready_cloud_orchestration > 0 and n.orchestrating < s.orchestration_limit))
      and coalesce(s.cloud_reason, 'user_at_limit') = 'user_at_limit'
      and n.running < s.task_limit,
    null::timestamptz,
    s.task_limit,
    nullif(s.cloud_reason, 'user_at_limit'),
    n.running + n.orchestrating + n.remembered,
    greatest(s.orchestration_limit - n.orchestrating, 0)
  from (
    select
      t.user_id,
      t.pool,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'cloud' and t.takes_slot))::integer as ready_cloud,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'cloud' and not t.takes_slot))::integer as ready_cloud_orchestration,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'local' and t.takes_slot))::integer as ready_local,
      (count(*) filter (where t.standing = 'ready' and t.run_type = 'local' and not t.takes_slot))::integer as ready_local_orchestration,
      (count(*) filter (where t.standing = 'active' and t.token_id is null and t.takes_slot))::integer as active_cloud,
      (count(*) filter (where t.standing = 'active' and t.token_id is null and not t.takes_slot))::integer as active_cloud_orchestration,
      (count(*) filter (where t.standing = 'active' and t.token_id is not null and t.takes_slot))::integer as active_local,
      (count(*) filter (where t.standing = 'active' and t.token_id is not null and not t.takes_slot))::integer as active_local_orchestration
    from public.tasks as t
    where t.standing is not null
      and t.user_id is not null
      and (p_user_id is null or t.user_id = p_user_id)
    group by t.user_id, t.pool
  ) as c
    join queue.user_slots as s on s.user_id = c.user_id
    left join queue.recount_slots(p_user_id) as r on r.user_id = c.user_id
    cross join lateral (
      select coalesce(r.running, 0) as running, coalesce(r.orchestrating, 0) as orchestrating, coalesce(r.remembered, 0) as remembered
    ) as n;
end;
$$;

comment on function queue.recount(uuid) is
  'The user_lines that the tasks themselves add up to, for one user or for all (null); turn_at is null.';

revoke all on function queue.recount(uuid) from public, anon, authenticated, service_role;
