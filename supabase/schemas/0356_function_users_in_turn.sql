-- The users whom claims would serve next, whose turn it is first.
create function queue.users_in_turn(p_caller queue.caller, p_pool text, p_load queue.load_summary, p_limit integer)
returns setof queue.user_load_row
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_pools text[] := array(
    select p.pool
    from unnest(case when p_pool is null then queue.pools() else array[p_pool] end) as p (pool)
    where p.pool <> all ((select s.paused_pools from queue.settings as s)::text[])
  );
  v_none_apart boolean := coalesce(cardinality(p_load.apart), 0) = 0;
begin
  return query
  select
    u.user_id, u.reason, u.ready, u.claimable, u.active, u.active_orchestration, u.active_elsewhere, u.running, u.task_limit, u.turn_at
  from (
    -- Open lines come from the index in the order of turns.
    select
      l.user_id, null::text as reason, l.ready_cloud + l.ready_cloud_orchestration as ready,
      least(l.ready_cloud_orchestration, l.orchestration_room) + least(l.ready_cloud, l.task_limit - l.running) as claimable,
      l.active_cloud as active, l.active_cloud_orchestration as active_orchestration,
      l.active_local + l.active_local_orchestration as active_elsewhere, l.running, l.task_limit, l.turn_at, l.turn_load
    from unnest(v_pools) as p (pool)
      cross join lateral (
        select c.*
        from queue.user_lines as c
        where p_caller.user_id is null
          and c.pool = p.pool
          and c.is_open
          and (v_none_apart or c.user_id not in (select a.user_id from unnest(p_load.apart) as a))
        order by c.turn_load, c.turn_at
        limit p_limit
      ) as l
    union all
    select a.*, s.running + s.orchestrating + s.remembered
    from unnest(p_load.apart) as a
      join queue.user_slots as s on s.user_id = a.user_id
    where a.claimable > 0
  ) as u
  order by u.turn_load, u.turn_at
  limit p_limit;
end;
$$;

comment on function queue.users_in_turn(queue.caller, text, queue.load_summary, integer) is
  'Up to p_limit users of whom this caller could claim something now, in the order of their turns.';

revoke all on function queue.users_in_turn(queue.caller, text, queue.load_summary, integer) from public, anon, authenticated, service_role;
