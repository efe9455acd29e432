import type { Sql } from "postgres";
import { fillOurs, WORKERS } from "../world/fill-ours.ts";
import { TASK_LIMIT } from "../world/shape.ts";
import { countDeadRows } from "./dead-rows.ts";
import type { Queue, QueueClient } from "./queue.ts";

/** Every table that a claim or a completion writes. */
const TABLES = [
  "public.tasks",
  "public.task_events",
  "public.generations",
  "fairlane_core.user_slots",
  "fairlane_core.user_queues",
];

/** This project's queue, reached by whatever way `connect` takes. */
export function ourQueue(
  admin: Sql,
  name: string,
  connect: () => Promise<QueueClient>,
): Queue {
  return {
    name,
    limit: TASK_LIMIT,
    fill: (shape) => fillOurs(admin, shape),
    connect,
    async enqueue(owners) {
      await admin`
        insert into public.tasks (task_type, params, project_id)
        select 'bench_clip', m.params, o.id
        from unnest(${[...owners]}::uuid[]) as o (id)
          cross join (select params from bench.model where i = 1) as m`;
    },
    deadRows: () => countDeadRows(admin, TABLES),
  };
}

let turns = 0;

/** A registered worker that holds nothing: workers take turns at claiming. */
export function nextWorker(): string {
  return `bench-${1 + turns++ % WORKERS}`;
}
