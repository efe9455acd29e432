import type { Context } from "../context.ts";
import { contest } from "../measure/contest.ts";
import { floorQueue } from "../queues/floor.ts";
import { graphileQueue } from "../queues/graphile-worker.ts";
import { connectBySql } from "../queues/ours-sql.ts";
import { ourQueue } from "../queues/ours.ts";
import { pgBossQueue } from "../queues/pg-boss.ts";
import type { Queue } from "../queues/queue.ts";
import type { Section } from "../report/section.ts";
import { capacity, type Shape, shapeName } from "../world/shape.ts";
import { type ClaimResult, claimsReport } from "./claims-report.ts";

/** Claims and completions in every shape: ours, the peers, the floor. */
export async function measureClaims(context: Context): Promise<Section[]> {
  const { plan, admin, stack } = context;
  const floor = floorQueue(admin, stack.adminDbUrl);
  const ours = ourQueue(admin, "ours", () => connectBySql(stack.dbUrl));
  const results: ClaimResult[] = [];
  const leftOut: Shape[] = [];
  let floorBacklog = 0;
  for (const shape of plan.shapes) {
    if (Date.now() > context.deadline) {
      leftOut.push(shape);
      continue;
    }
    // The floor knows no owners: one fill serves every spread of them.
    if (shape.backlog !== floorBacklog) {
      floorBacklog = shape.backlog;
      await floor.fill({ ...shape, users: 1, distribution: "even" });
    }
    // It has lived through the contests before; its dead rows must not flatter us.
    await admin.unsafe("vacuum (analyze) floor.tasks");
    results.push(
      ...await inShape(context, ours, floor, shape, plan.clientsIn(shape)),
    );
    const peerClients = plan.peerClientsIn(shape);
    for (const peer of peerClients.length > 0 ? peers(context, shape) : []) {
      results.push(...await inShape(context, peer, floor, shape, peerClients));
    }
  }
  return claimsReport(results, leftOut, plan.leftOut);
}

async function inShape(
  context: Context,
  queue: Queue,
  floor: Queue,
  shape: Shape,
  clientNumbers: readonly number[],
): Promise<ClaimResult[]> {
  context.log(`claims: ${queue.name}, ${shapeName(shape)}`);
  await queue.fill(shape);
  const { plan } = context;
  const batch = batchFor(queue, shape, plan.batch);
  const results: ClaimResult[] = [];
  for (const clients of clientNumbers) {
    const options = {
      clients,
      batch,
      floorBatch: plan.batch,
      // Small batches, more of them; the budget still ends them.
      rounds: Math.ceil(plan.rounds * plan.batch / batch),
      budgetMs: plan.budgetMs,
    };
    results.push({
      queue: queue.name,
      shape,
      clients,
      contest: await contest(context.probe, queue, floor, options),
    });
  }
  return results;
}

function peers({ admin, stack }: Context, shape: Shape): Queue[] {
  const all = [
    pgBossQueue(admin, stack.adminDbUrl),
    graphileQueue(admin, stack.adminDbUrl, "all users"),
  ];
  // Without blocked work ahead it would be the floor again.
  return shape.distribution === "even"
    ? all
    : [...all, graphileQueue(admin, stack.adminDbUrl, "capped users")];
}

/** Fewer than would bring every user to the limit, so that no claim misses. */
function batchFor(queue: Queue, shape: Shape, batch: number): number {
  const limit = queue.limit || Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(batch, Math.floor(capacity(shape, limit) * 0.8)));
}
