-- What each of these users has in the queue now, as a claim would see it: the derived counters, put right for what only
-- time has changed since.
create function queue.user_load(p_caller queue.caller, p_pool text, p_user_ids uuid[], p_overtaken queue.load_change[])
returns setof queue.user_load_row
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_own boolean := p_caller.user_id is not null;
  v_paused text[] := (select c.paused_pools from queue.settings as c);
begin
  return query
  with load as (
    select
      l.user_id,
      coalesce(sum(l.ready_cloud) filter (where l.pool <> all (v_paused)), 0) as ready_cloud,
      coalesce(sum(l.ready_cloud_orchestration) filter (where l.pool <> all (v_paused)), 0) as ready_cloud_orchestration,
      coalesce(sum(case when v_own then l.ready_local else 0 end) filter (where l.pool <> all (v_paused)), 0) as ready_local,
      coalesce(sum(case when v_own then l.ready_local_orchestration else 0 end) filter (where l.pool <> all (v_paused)), 0) as ready_local_orchestration,
      sum(l.active_cloud + case when v_own then l.active_local else 0 end) as active,
      sum(l.active_cloud_orchestration + case when v_own then l.active_local_orchestration else 0 end) as active_orchestration,
      sum(case when v_own then 0 else l.active_local + l.active_local_orchestration end) as active_elsewhere,
      min(l.turn_at) as turn_at
    from (
      select
        c.user_id, c.pool, c.ready_cloud, c.ready_local, c.ready_cloud_orchestration, c.ready_local_orchestration,
        c.active_cloud, c.active_local, c.active_cloud_orchestration, c.active_local_orchestration, c.turn_at
      from queue.user_lines as c
      where c.user_id = any (p_user_ids)
      union all
      select
        o.user_id, o.pool,
        case when o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and o.takes_slot then o.delta else 0 end,
        case when o.is_cloud and not o.takes_slot then o.delta else 0 end,
        case when not o.is_cloud and not o.takes_slot then o.delta else 0 end,
        0, 0, 0, 0, v_now
      from unnest(p_overtaken) as o
      where o.standing = 'ready'
        and o.user_id = any (p_user_ids)
      union all
      select o.user_id, o.pool, 0, 0, 0, 0, o.delta, 0, 0, 0, v_now
      from unnest(p_overtaken) as o
      where o.standing = 'active'
        and o.user_id = any (p_user_ids)
    ) as l
    where p_pool is null
      or l.pool = p_pool
    group by l.user_id
  ),
  judged as (
    select
      l.*, s.running, s.task_limit, greatest(s.orchestration_limit - s.orchestrating, 0) as orchestration_room,
      queue.reason_of(s, p_caller, true) as cloud_reason, s.local_reason
    from load as l
      join queue.user_slots as s on s.user_id = l.user_id
  )
  select
    j.user_id,
    case
      when not v_own or j.ready_cloud + j.ready_cloud_orchestration > 0
        and (j.cloud_reason is null or j.local_reason is not null or j.ready_local + j.ready_local_orchestration = 0)
        then j.cloud_reason
      else j.local_reason
    end,
    (j.ready_cloud + j.ready_cloud_orchestration + j.ready_local + j.ready_local_orchestration)::integer,
    (
      least(
        case when j.cloud_reason is null then j.ready_cloud_orchestration else 0 end
          + case when j.local_reason is null then j.ready_local_orchestration else 0 end,
        j.orchestration_room
      )
      + greatest(
        least(
          case when j.cloud_reason is null then j.ready_cloud else 0 end
            + case when j.local_reason is null then j.ready_local else 0 end,
          j.task_limit - j.running
        ), 0
      )
    )::integer,
    j.active::integer,
    j.active_orchestration::integer,
    j.active_elsewhere::integer,
    j.running,
    j.task_limit,
    j.turn_at
  from judged as j;
end;
$$;

comment on function queue.user_load(queue.caller, text, uuid[], queue.load_change[]) is
  'For each of these users, in one pool or both: why the user may run nothing now (null = may), tasks ready, tasks a claim could hand out one after another (the limit counted), tasks active. Cloud and local tasks are judged as queue.reason_of does; local ones are those of a token or user only.';

revoke all on function queue.user_load(queue.caller, text, uuid[], queue.load_change[]) from public, anon, authenticated, service_role;
