import { admin, type Connection } from "./db.ts";

/** A derived number that is not what the tasks say. */
export interface Drift {
  readonly counter: string;
  readonly kept: unknown;
  readonly counted: unknown;
}

/**
 * Counts all tasks anew and compares with what the triggers have kept. Written
 * from the comments of the tables, not from the code that keeps them.
 */
export async function counterDrift(
  sql: Connection = admin(),
): Promise<Drift[]> {
  return [
    ...await sql<Drift[]>`
    with
    task as (
      select
        t.id, t.user_id, t.pool, t.readiness, t.takes_slot, t.lease_token,
        case
          when t.status = 'In Progress' then t.token_id is null
          else t.run_type is distinct from 'local'
        end as is_cloud
      from public.tasks as t
    ),
    slot as (
      select
        s.user_id,
        array[s.running, s.orchestrating, s.remembered] as kept,
        array[
          (
            select count(*)
            from task as t
            where t.user_id = s.user_id and t.readiness = 'active' and t.takes_slot
          ) + (
            select count(*)
            from fairlane_core.held_slots as h
            where h.user_id = s.user_id and h.takes_slot and h.let_go_at is null
          ),
          (
            select count(*)
            from task as t
            where t.user_id = s.user_id and t.readiness = 'active' and not t.takes_slot
              and not exists (
                select from fairlane_core.handovers as o
                where o.orchestrator_id = t.id
                  -- What ran through the upgrade has none.
                  and o.lease_token = coalesce(t.lease_token, '00000000-0000-0000-0000-000000000000')
              )
          ) + (
            select count(*)
            from fairlane_core.held_slots as h
            where h.user_id = s.user_id and not h.takes_slot and h.let_go_at is null
          ),
          (select count(*) from fairlane_core.held_slots as h where h.user_id = s.user_id and h.let_go_at is not null)
        ]::integer[] as counted
      from fairlane_core.user_slots as s
    ),
    line as (
      select
        coalesce(l.user_id, t.user_id) as user_id,
        coalesce(l.pool, t.pool) as pool,
        coalesce(array[
          l.ready_cloud, l.ready_cloud_orchestration,
          l.ready_local, l.ready_local_orchestration,
          l.active_cloud, l.active_cloud_orchestration,
          l.active_local, l.active_local_orchestration
        ], array_fill(0, array[8])) as kept,
        coalesce(t.counted, array_fill(0, array[8])) as counted
      from fairlane_core.user_queues as l
        full join (
          select
            t.user_id,
            t.pool,
            array[
              count(*) filter (where t.readiness = 'ready' and t.is_cloud and t.takes_slot),
              count(*) filter (where t.readiness = 'ready' and t.is_cloud and not t.takes_slot),
              count(*) filter (where t.readiness = 'ready' and not t.is_cloud and t.takes_slot),
              count(*) filter (where t.readiness = 'ready' and not t.is_cloud and not t.takes_slot),
              count(*) filter (where t.readiness = 'active' and t.is_cloud and t.takes_slot),
              count(*) filter (where t.readiness = 'active' and t.is_cloud and not t.takes_slot),
              count(*) filter (where t.readiness = 'active' and not t.is_cloud and t.takes_slot),
              count(*) filter (where t.readiness = 'active' and not t.is_cloud and not t.takes_slot)
            ]::integer[] as counted
          from task as t
          where t.user_id is not null
            and t.readiness in ('ready', 'active')
          group by 1, 2
        ) as t on t.user_id = l.user_id and t.pool = l.pool
    ),
    blocked as (
      select
        coalesce(b.user_id, t.user_id) as user_id,
        concat_ws(
          ' ', coalesce(b.pool, t.pool), coalesce(b.reason, t.readiness),
          case when coalesce(b.is_cloud, t.is_cloud) then 'cloud' else 'local' end
        ) as line,
        coalesce(b.task_count, 0) as kept,
        coalesce(t.counted, 0) as counted
      from fairlane_core.blocked_tasks as b
        full join (
          select
            coalesce(t.user_id, '00000000-0000-0000-0000-000000000000') as user_id,
            t.pool, t.readiness, t.is_cloud, count(*) as counted
          from task as t
          where t.readiness not in ('ready', 'active')
          group by 1, 2, 3, 4
        ) as t on t.user_id = b.user_id
          and t.pool = b.pool
          and t.readiness = b.reason
          and t.is_cloud = b.is_cloud
    ),
    -- What a claim goes by: a line that holds something it could take.
    opened as (
      select
        l.user_id,
        l.pool,
        concat_ws(' ', l.is_open, l.running, l.turn_load, l.orchestration_room) as kept,
        concat_ws(
          ' ',
          s.cloud_reason is null
            and (l.ready_cloud > 0 or s.orchestrating < s.orchestration_limit),
          s.running, s.running + s.orchestrating + s.remembered,
          greatest(s.orchestration_limit - s.orchestrating, 0)
        ) as counted
      from fairlane_core.user_queues as l
        join fairlane_core.user_slots as s on s.user_id = l.user_id
      where l.ready_cloud + l.ready_cloud_orchestration > 0
      union all
      select l.user_id, l.pool, 'true', 'false'
      from fairlane_core.user_queues as l
      where l.ready_cloud + l.ready_cloud_orchestration = 0
        and l.is_open
    )
    select 'running of ' || user_id as counter, kept::text, counted::text
    from slot
    where kept <> counted
    union all
    select concat_ws(' ', 'line of', user_id, pool), kept::text, counted::text
    from line
    where kept <> counted
    union all
    select concat_ws(' ', 'blocked of', user_id, line), kept::text, counted::text
    from blocked
    where kept <> counted
    union all
    select concat_ws(' ', 'open of', user_id, pool), kept, counted
    from opened
    where kept <> counted
    union all
    select 'readiness of ' || t.id, t.readiness, fairlane_core.task_readiness(t)
    from public.tasks as t
    where t.readiness is distinct from fairlane_core.task_readiness(t)
      -- Whose time has come meanwhile is let in by the next claim or sweep.
      and not (t.readiness = 'not_yet' and t.available_at <= fairlane_core.now())
  `,
  ];
}
