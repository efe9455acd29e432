import { z } from "zod";
import type { Context } from "../context.ts";
import { closeAll, connectAll, runRound } from "../measure/contest.ts";
import { percentile } from "../measure/statistics.ts";
import { connectOnce } from "../queues/connect.ts";
import { connectBySql } from "../queues/ours-sql.ts";
import { ourQueue } from "../queues/ours.ts";
import type { Queue, QueueClient } from "../queues/queue.ts";
import { number, times } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import { fillDue } from "../world/fill-due.ts";
import { capacity, type Shape, short } from "../world/shape.ts";

const CLIENTS = 4;
/** Ten owners: a batch of the cleanup is in the way of a tenth of all claims. */
const USERS = [1_000, 10];
const JOBS = ["cleanup", "purge"];

const Commands = z.tuple([z.object({ command: z.string() })]);
const Runs = z.tuple([z.object({ tasks: z.number() })]);

/** Claims while the jobs that clean work through a million rows. */
export async function measureCleanup(context: Context): Promise<Section[]> {
  const { plan, admin, stack } = context;
  const { rows: due, minutes } = plan.cleaning;
  const rows: string[][] = [];
  for (const users of USERS) {
    context.log(`cleanup: ${short(due)} of each kind due, ${users} users`);
    const shape: Shape = { backlog: 10_000, users, distribution: "even" };
    const queue = ourQueue(admin, "ours", () => connectBySql(stack.dbUrl));
    await queue.fill(shape);
    await fillDue(admin, { stale: due, finished: due, logs: due });
    for (const job of JOBS) {
      rows.push([
        job,
        short(users),
        ...await beside(context, queue, shape, job, minutes / 4),
      ]);
    }
  }
  return [{
    title: "Claims while old rows are cleaned away",
    notes: [
      `10k ready tasks, ${CLIENTS} clients. In the same table ${
        short(due)
      } queued tasks that are due to be cancelled and as many finished ones to be deleted, with ${
        short(2 * due)
      } events and ${
        short(due)
      } log lines, spread evenly over the same users. ` +
      `Runs of the job as pg_cron makes them, one after the other for at most ${
        number(minutes / 4)
      } minutes; between two of them the same claims without it. Times in ms at the client.`,
    ],
    head: [
      ...["job", "users", "runs", "tasks", "tasks per s"],
      ...["claims beside", "p50 / p99", "without", "p50 / p99", "p99"],
    ],
    rows,
  }];
}

/** Runs the job until nothing is due or time is up, and claims in and between. */
async function beside(
  { plan, probe, stack }: Context,
  queue: Queue,
  shape: Shape,
  job: string,
  minutes: number,
): Promise<string[]> {
  const cleaner = connectOnce(stack.adminDbUrl);
  const [{ command }] = Commands.parse(
    await cleaner`
      select command from cron.job where jobname = ${`queue-${job}`}`,
  );
  const clients = await connectAll(queue, CLIENTS);
  const batch = Math.min(plan.batch, Math.floor(capacity(shape) / 2));
  const options = { ...plan, clients: CLIENTS, batch };
  const claims = async (whom: QueueClient[]) =>
    (await runRound(probe, queue, whom, options)).claim.latenciesMs;

  const busy: number[] = [];
  const quiet: number[] = [];
  let [runs, cleaned, seconds] = [0, 0, 0];
  // The first round plans and compiles; it does not count.
  await claims(clients);
  const deadline = performance.now() + minutes * 60_000;
  for (let more = true; more && performance.now() < deadline;) {
    const begin = performance.now();
    let isRunning = true;
    const run = cleaner.unsafe(command).simple()
      .then(() => isRunning = false);
    while (isRunning) {
      const latencies = await claims(clients);
      if (isRunning) busy.push(...latencies);
    }
    await run;
    const inRun = (performance.now() - begin) / 1000;
    const [{ tasks }] = Runs.parse(
      await cleaner`
        select coalesce(result ->> 'cancelled', result ->> 'tasks')::integer as tasks
        from fairlane_core.job_runs
        where job = ${job}`,
    );
    more = tasks > 0;
    if (more) {
      [runs, cleaned, seconds] = [runs + 1, cleaned + tasks, seconds + inRun];
    }
    for (
      const end = performance.now() + inRun * 250;
      performance.now() < end;
    ) {
      quiet.push(...await claims(clients));
    }
  }
  await closeAll(clients);
  await cleaner.end();
  const beside = percentile(busy, 0.99);
  const without = percentile(quiet, 0.99);
  return [
    String(runs),
    String(cleaned),
    number(cleaned / seconds),
    String(busy.length),
    `${number(percentile(busy, 0.5))} / ${number(beside)}`,
    String(quiet.length),
    `${number(percentile(quiet, 0.5))} / ${number(without)}`,
    times(beside / without),
  ];
}
