import type { Context } from "../context.ts";
import { closeAll, connectAll, contest, runRound } from "../measure/contest.ts";
import { connectOnce } from "../queues/connect.ts";
import { floorQueue } from "../queues/floor.ts";
import { connectBySql } from "../queues/ours-sql.ts";
import { ourQueue } from "../queues/ours.ts";
import { pgBossQueue } from "../queues/pg-boss.ts";
import type { Queue } from "../queues/queue.ts";
import { number, times } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import type { Shape } from "../world/shape.ts";

const shape: Shape = { backlog: 10_000, users: 1_000, distribution: "even" };

/** Claims while a long transaction keeps every dead row from being removed. */
export async function measureHorizon(context: Context): Promise<Section[]> {
  const { admin, stack } = context;
  const floor = floorQueue(admin, stack.adminDbUrl);
  const queues = [
    ourQueue(admin, "ours", () => connectBySql(stack.dbUrl)),
    pgBossQueue(admin, stack.adminDbUrl),
  ];
  const rows: string[][] = [];
  for (const queue of queues) {
    rows.push(await underLongTransaction(context, queue, floor));
  }
  return [{
    title: "While a long transaction holds the horizon",
    notes: [
      `10k tasks of 1k users, even, 1 client; then a transaction that reads and stays open, and as many cycles as the column says. ` +
      "No vacuum can remove what they leave, for the floor as little as for the queue.",
    ],
    head: [
      ...["queue", "claim before", "CPU ms", "cycles", "claim after"],
      ...["CPU ms", "floor's CPU before", "after", "dead rows per cycle"],
    ],
    rows,
  }];
}

async function underLongTransaction(
  { plan, probe, stack, log }: Context,
  queue: Queue,
  floor: Queue,
): Promise<string[]> {
  log(`horizon: ${queue.name}`);
  await floor.fill(shape);
  await queue.fill(shape);
  const options = { ...plan, clients: 1 };
  const before = await contest(probe, queue, floor, options);

  const holder = connectOnce(stack.adminDbUrl);
  await holder.unsafe("begin isolation level repeatable read");
  await holder.unsafe("select count(*) from public.users");
  const deadBefore = await queue.deadRows();
  let cycles = 0;
  for (const worked of [queue, floor]) {
    const clients = await connectAll(worked, 1);
    for (let n = 0; n < plan.horizonRounds; n++) {
      const { complete } = await runRound(probe, worked, clients, options);
      if (worked === queue) cycles += complete.calls;
    }
    await closeAll(clients);
  }
  const dead = await queue.deadRows() - deadBefore;
  const after = await contest(probe, queue, floor, options);
  await holder.end();
  return [
    queue.name,
    times(before.claim.ratio),
    number(before.claim.cpuMs),
    String(cycles),
    times(after.claim.ratio),
    number(after.claim.cpuMs),
    number(before.floorClaim.cpuMs),
    number(after.floorClaim.cpuMs),
    number(dead / cycles),
  ];
}
