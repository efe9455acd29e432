import { PgBoss } from "pg-boss";
import type { Sql } from "postgres";
import {
  cappedUsers,
  ownerNumber,
  type Shape,
  TASK_LIMIT,
} from "../world/shape.ts";
import { withoutIndexes } from "../world/drop-indexes.ts";
import { countDeadRows } from "./dead-rows.ts";
import type { Queue } from "./queue.ts";

const QUEUE = "bench";
const TABLE = "pgboss.job_common";

/** pg-boss with a limit per group, through its own `fetch` and `complete`. */
export function pgBossQueue(admin: Sql, adminUrl: string): Queue {
  const start = async () => {
    const boss = new PgBoss({
      connectionString: adminUrl,
      max: 1,
      supervise: false,
      schedule: false,
    });
    boss.on("error", (error) => {
      throw error;
    });
    await boss.start();
    return boss;
  };
  return {
    name: `pg-boss, groupConcurrency ${TASK_LIMIT}`,
    limit: TASK_LIMIT,
    async fill(shape) {
      const boss = await start();
      await boss.createQueue(QUEUE);
      await boss.stop({ graceful: false });
      await fillPgBoss(admin, shape);
    },
    async connect() {
      const boss = await start();
      return {
        async claim() {
          const [job] = await boss.fetch(QUEUE, {
            groupConcurrency: TASK_LIMIT,
          });
          if (!job?.groupId) return undefined;
          return {
            owner: job.groupId,
            complete: () => boss.complete(QUEUE, job.id),
          };
        },
        close: () => boss.stop({ graceful: false }),
      };
    },
    async enqueue(owners) {
      await admin`
        insert into pgboss.job (name, data, group_id, policy)
        select ${QUEUE}, m.params, o.id, 'standard'
        from unnest(${[...owners]}::text[]) as o (id)
          cross join (select params from bench.model where i = 1) as m`;
    },
    deadRows: () => countDeadRows(admin, [TABLE]),
  };
}

/** The rows that `insert()` and `fetch()` would have made. */
async function fillPgBoss(admin: Sql, shape: Shape): Promise<void> {
  await admin.unsafe(`truncate ${TABLE}`);
  await withoutIndexes(admin, TABLE, async () => {
    await admin.unsafe(`
      insert into ${TABLE} (id, name, data, group_id, policy, created_on,
        start_after)
      select m.id, '${QUEUE}', m.params, u.id::text, 'standard',
        m.created_at, m.created_at
      from bench.model as m
        join bench.users as u on u.n = ${ownerNumber(shape)}
      where m.i <= ${shape.backlog}
      order by m.i`);
    await admin.unsafe(`
      insert into ${TABLE} (name, data, group_id, policy, state, started_on)
      select '${QUEUE}', m.params, u.id::text, 'standard', 'active', now()
      from bench.users as u
        cross join generate_series(1, ${TASK_LIMIT})
        cross join (select params from bench.model where i = 1) as m
      where u.n <= ${cappedUsers(shape)}`);
  });
  await admin.unsafe(`vacuum (analyze) ${TABLE}`);
}
