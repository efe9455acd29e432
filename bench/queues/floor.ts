import type { Sql } from "postgres";
import { z } from "zod";
import { ownerNumber } from "../world/shape.ts";
import { connectOnce } from "./connect.ts";
import { countDeadRows, flushStatistics } from "./dead-rows.ts";
import type { Queue } from "./queue.ts";

/** The claim of the worker $1. */
export const FLOOR_CLAIM = `
  update floor.tasks
  set status = 'In Progress', worker_id = $1, claimed_at = now()
  where id = (
    select id
    from floor.tasks
    where status = 'Queued'
    order by priority desc, created_at, id
    for update skip locked
    limit 1
  )
  returning *`;

const Claimed = z.array(z.object({ id: z.string(), user_id: z.string() }));

/**
 * The least a queue on Postgres can do: one table of the width of ours, one
 * index, one statement per call. It knows no users, no limits and no history.
 */
export function floorQueue(admin: Sql, adminUrl: string): Queue {
  return {
    name: "floor",
    limit: 0,
    async fill(shape) {
      await admin.unsafe(`
        create schema if not exists floor;
        drop table if exists floor.tasks;
        create table floor.tasks (like public.tasks including defaults);
        insert into floor.tasks (
          id, task_type, params, project_id, user_id, created_at, updated_at,
          pool, takes_slot, readiness, model
        )
        select
          m.id, 'bench_clip', m.params, u.id, u.id, m.created_at,
          m.created_at, 'gpu', true, 'ready', m.params ->> 'model'
        from bench.model as m
          join bench.users as u on u.n = ${ownerNumber(shape)}
        where m.i <= ${shape.backlog}
        order by m.i;
        alter table floor.tasks add primary key (id);
        create index tasks_ready on floor.tasks (priority desc, created_at, id)
          where status = 'Queued';
      `);
      await admin.unsafe("vacuum (analyze) floor.tasks");
    },
    async connect() {
      const sql = connectOnce(adminUrl);
      await flushStatistics(sql);
      return {
        async claim() {
          const [task] = Claimed.parse(
            await sql.unsafe(FLOOR_CLAIM, ["bench"], { prepare: true }),
          );
          if (!task) return undefined;
          return {
            owner: task.user_id,
            complete: () =>
              sql`
                update floor.tasks
                set status = 'Complete', output_location = ${"https://x/y.mp4"}
                where id = ${task.id}`,
          };
        },
        async close() {
          await flushStatistics(sql);
          await sql.end();
        },
      };
    },
    async enqueue(owners) {
      await admin`
        insert into floor.tasks (
          task_type, params, project_id, user_id, pool, takes_slot, readiness
        )
        select
          'bench_clip', m.params, o.id, o.id, 'gpu', true, 'ready'
        from unnest(${[...owners]}::uuid[]) as o (id)
          cross join (select params from bench.model where i = 1) as m`;
    },
    deadRows: () => countDeadRows(admin, ["floor.tasks"]),
  };
}
