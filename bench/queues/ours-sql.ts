import { z } from "zod";
import { connectOnce } from "./connect.ts";
import { flushStatistics } from "./dead-rows.ts";
import { nextWorker } from "./ours.ts";
import type { QueueClient } from "./queue.ts";

/** The part of a claim's reply that the bench needs. */
export const Claimed = z.object({
  task_id: z.string(),
  project_id: z.string(),
  lease_token: z.string(),
});

const Reply = z.tuple([z.object({ task: Claimed.nullable() })]);

/** What a claim may say beside who claims. */
export interface ClaimOptions {
  /** A new claim_id with every claim. */
  withClaimId?: boolean;
}

/** Our functions over a connection of their own, as service_role. */
export async function connectBySql(
  dbUrl: string,
  options: ClaimOptions = {},
): Promise<QueueClient> {
  const sql = connectOnce(dbUrl, "service_role");
  await flushStatistics(sql);
  const caller = { kind: "service" };
  return {
    async claim() {
      const claimId = options.withClaimId ? crypto.randomUUID() : null;
      const [{ task }] = Reply.parse(
        await sql`
          select public.claim_next_task(
            ${sql.json(caller)}, ${nextWorker()}, null, ${claimId}
          ) as task`,
      );
      if (!task) return undefined;
      return {
        // The bench gives every user one project with the user's id.
        owner: task.project_id,
        complete: () =>
          sql`
            select public.complete_task(
              ${sql.json(caller)}, ${task.task_id}, ${"https://x/y.mp4"},
              null, null, ${task.lease_token}
            )`,
      };
    },
    async close() {
      await flushStatistics(sql);
      await sql.end();
    },
  };
}
