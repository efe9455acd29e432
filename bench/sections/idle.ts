import { z } from "zod";
import type { Context } from "../context.ts";
import { cost } from "../measure/contest.ts";
import type { Sample } from "../measure/probe.ts";
import { floorQueue } from "../queues/floor.ts";
import { connectBySql } from "../queues/ours-sql.ts";
import { latency, number, times } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import { fillOurs } from "../world/fill-ours.ts";
import { short } from "../world/shape.ts";

const Next = z.tuple([z.object({ xid: z.coerce.number() })]);

/** Polls that find nothing: an empty queue, and a backlog that is all blocked. */
export async function measureIdle(context: Context): Promise<Section[]> {
  const { plan, admin, stack, probe } = context;
  const floor = floorQueue(admin, stack.adminDbUrl);
  await floor.fill({ backlog: 0, users: 1, distribution: "even" });
  const theFloor = await floor.connect();
  const ours = await connectBySql(stack.dbUrl);
  const top = plan.largestBacklog;
  const rows: string[][] = [];
  for (const backlog of [0, top]) {
    context.log(`idle: ${short(backlog)} blocked tasks`);
    await fillOurs(admin, { backlog, users: 1_000, distribution: "even" });
    await admin`update public.users set max_in_progress = 0`;
    const nextXid = async () => {
      const [{ xid }] = Next.parse(
        await admin`select pg_snapshot_xmax(pg_current_snapshot()) as xid`,
      );
      return xid;
    };
    const load = { clients: 1, calls: plan.batch, budgetMs: plan.budgetMs };
    const mine: Sample[] = [];
    const floors: Sample[] = [];
    const firstXid = await nextXid();
    for (let n = 0; n <= plan.rounds; n++) {
      const floorRound = await probe.measure(load, () => theFloor.claim());
      const round = await probe.measure(load, () => ours.claim());
      if (n === 0) continue;
      floors.push(floorRound);
      mine.push(round);
    }
    const result = cost(mine, floors);
    rows.push([
      backlog === 0 ? "empty queue" : `${short(backlog)} tasks, all blocked`,
      times(result.ratio),
      number(result.cpuMs),
      latency(result),
      number(result.walBytes),
      String(await nextXid() - firstXid),
    ]);
  }
  await theFloor.close();
  await ours.close();
  return [{
    title: "Idle polls",
    notes: [
      "A claim that finds nothing, beside the same poll of an empty floor. It writes nothing: no WAL, and no transaction gets a number.",
    ],
    head: [
      ...["queue", "x floor", "CPU ms", "p50 / p95 / p99", "WAL"],
      "transaction ids",
    ],
    rows,
  }];
}
