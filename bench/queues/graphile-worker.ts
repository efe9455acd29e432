import { runMigrations } from "graphile-worker";
import type { Sql } from "postgres";
import { withoutIndexes } from "../world/drop-indexes.ts";
import { cappedUsers, ownerNumber, type Shape } from "../world/shape.ts";
import { connectOnce } from "./connect.ts";
import { countDeadRows, flushStatistics } from "./dead-rows.ts";
import { graphileInternals, withPgClient } from "./graphile-internals.ts";
import type { Queue } from "./queue.ts";

/** Who goes through a named queue, which is its only limit: one at a time. */
export type GraphileQueues = "all users" | "capped users";

const TASK = "bench";
const TABLES = [
  "graphile_worker._private_jobs",
  "graphile_worker._private_job_queues",
];

/** graphile-worker's fetch of one job, as its workers send it. */
export function graphileQueue(
  admin: Sql,
  adminUrl: string,
  queues: GraphileQueues,
): Queue {
  const isForAll = queues === "all users";
  return {
    name: isForAll
      ? "graphile-worker, queue per user"
      : "graphile-worker, free users without queue",
    limit: isForAll ? 1 : 0,
    async fill(shape) {
      await runMigrations({ connectionString: adminUrl });
      await fillGraphile(admin, shape, isForAll);
    },
    async connect() {
      const sql = connectOnce(adminUrl);
      await flushStatistics(sql);
      const inside = await graphileInternals();
      const options = inside.processSharedOptions({
        connectionString: adminUrl,
      });
      const client = withPgClient(sql);
      const tasks = { [TASK]: () => {} };
      return {
        async claim() {
          const [job] = await inside.batchGetJobs(
            options,
            client,
            tasks,
            "bench",
            null,
            1,
          );
          if (!job) return undefined;
          return {
            owner: job.payload.user,
            complete: () =>
              inside.batchCompleteJobs(options, client, "bench", [job]),
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
        insert into graphile_worker._private_jobs (
          job_queue_id, task_id, payload
        )
        select q.id, t.id, json_build_object('user', o.id, 'params', m.params)
        from unnest(${[...owners]}::text[]) as o (id)
          left join graphile_worker._private_job_queues as q
            on q.queue_name = o.id
          cross join graphile_worker._private_tasks as t
          cross join (select params from bench.model where i = 1) as m
        where t.identifier = ${TASK}`;
    },
    deadRows: () => countDeadRows(admin, TABLES),
  };
}

/** The rows that `add_jobs` would have made; a capped user's queue is locked. */
async function fillGraphile(
  admin: Sql,
  shape: Shape,
  isForAll: boolean,
): Promise<void> {
  const capped = cappedUsers(shape);
  await admin.unsafe(`
    truncate graphile_worker._private_jobs, graphile_worker._private_job_queues;
    insert into graphile_worker._private_tasks (identifier)
    values ('${TASK}') on conflict do nothing;
    insert into graphile_worker._private_job_queues (
      queue_name, locked_at, locked_by
    )
    select id::text, case when n <= ${capped} then now() end,
      case when n <= ${capped} then 'busy' end
    from bench.users
    where n <= ${isForAll ? shape.users : capped};
  `);
  await withoutIndexes(admin, "graphile_worker._private_jobs", async () => {
    await admin.unsafe(`
      insert into graphile_worker._private_jobs (
        job_queue_id, task_id, payload, run_at, created_at
      )
      select q.id, t.id, json_build_object('user', u.id, 'params', m.params),
        m.created_at, m.created_at
      from bench.model as m
        join bench.users as u on u.n = ${ownerNumber(shape)}
        left join graphile_worker._private_job_queues as q
          on q.queue_name = u.id::text
        cross join graphile_worker._private_tasks as t
      where m.i <= ${shape.backlog}
        and t.identifier = '${TASK}'
      order by m.i`);
  });
  await admin.unsafe(`vacuum (analyze) ${TABLES.join(", ")}`);
}
