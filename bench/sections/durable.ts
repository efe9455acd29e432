import { startBenchStack } from "../bench-stack.ts";
import type { Context } from "../context.ts";
import { contest } from "../measure/contest.ts";
import { Probe } from "../measure/probe.ts";
import { connectOnce } from "../queues/connect.ts";
import { floorQueue } from "../queues/floor.ts";
import { connectBySql } from "../queues/ours-sql.ts";
import { ourQueue } from "../queues/ours.ts";
import { latency, number, times } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import { makeModel } from "../world/model.ts";
import type { Shape } from "../world/shape.ts";

const shape: Shape = { backlog: 10_000, users: 1_000, distribution: "even" };

/** Claims when every commit waits for the disk, as in production. */
export async function measureDurable(context: Context): Promise<Section[]> {
  context.log("durable: a second stack with fsync");
  const stack = await startBenchStack("bench-durable", true);
  const admin = connectOnce(stack.adminDbUrl);
  try {
    await makeModel(admin, { tasks: shape.backlog, users: shape.users });
    const floor = floorQueue(admin, stack.adminDbUrl);
    const ours = ourQueue(admin, "ours", () => connectBySql(stack.dbUrl));
    const probe = await Probe.of(admin);
    await floor.fill(shape);
    await ours.fill(shape);
    const rows: string[][] = [];
    for (const clients of [1, 8]) {
      const options = { ...context.plan, clients };
      const { claim, floorClaim } = await contest(probe, ours, floor, options);
      rows.push([
        String(clients),
        times(claim.ratio),
        number(claim.cpuMs),
        latency(claim),
        latency(floorClaim),
        number(claim.walBytes),
        number(floorClaim.walBytes),
      ]);
    }
    return [{
      title: "Claim with a durable disk",
      notes: [
        "fsync, synchronous_commit and full_page_writes on; everything else on this page was measured with the local stack's defaults (all three off). 10k tasks of 1k users, even.",
      ],
      head: [
        ...["clients", "claim", "CPU ms", "p50 / p95 / p99"],
        ...["floor's p50 / p95 / p99", "WAL", "floor's WAL"],
      ],
      rows,
    }];
  } finally {
    await admin.end();
    await stack.stop();
  }
}
