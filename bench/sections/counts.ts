import type { Context } from "../context.ts";
import type { Sample } from "../measure/probe.ts";
import { median, percentile } from "../measure/statistics.ts";
import { connectOnce } from "../queues/connect.ts";
import { latency, number } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import { fillOurs } from "../world/fill-ours.ts";
import { type Shape, short } from "../world/shape.ts";

const callsPerRound = 8;

/** What is read about the queue, and the jobs that run by themselves. */
const questions: [name: string, sql: string][] = [
  [
    "task_counts, one pool",
    `select public.task_counts('{"kind":"service"}', 'gpu')`,
  ],
  ["task_counts, all", `select public.task_counts('{"kind":"service"}')`],
  [
    "claim, dry run",
    `select public.claim_next_task('{"kind":"service"}', 'bench-1', p_dry_run => true)`,
  ],
  ["sweep (each minute)", "select fairlane_core.sweep()"],
];

/** Counts with a large backlog and a large past. */
export async function measureCounts(context: Context): Promise<Section[]> {
  const { plan, admin, stack, probe } = context;
  const top = plan.largestBacklog;
  const many = plan.mostUsers;
  const shapes: Shape[] = [
    { backlog: 1_000, users: 1_000, distribution: "even" },
    { backlog: top, users: 10, distribution: "even", finished: top },
    { backlog: top, users: 1_000, distribution: "even", finished: top },
  ];
  if (many > 1_000) {
    shapes.push({
      backlog: top,
      users: many,
      distribution: "capped95",
      finished: top,
    });
  }
  const rows: string[][] = [];
  for (const shape of shapes) {
    const { backlog, users, distribution, finished = 0 } = shape;
    context.log(`counts: ${short(backlog)} queued, ${short(finished)} ended`);
    await fillOurs(admin, shape);
    const sql = connectOnce(stack.dbUrl, "service_role");
    for (const [name, question] of questions) {
      const samples: Sample[] = [];
      for (let n = 0; n <= Math.ceil(plan.rounds / 2); n++) {
        const sample = await probe.measure(
          { clients: 1, calls: callsPerRound, budgetMs: plan.budgetMs / 4 },
          () => sql.unsafe(question, [], { prepare: true }),
        );
        if (n > 0) samples.push(sample);
      }
      const latencies = samples.flatMap((sample) => sample.latenciesMs);
      rows.push([
        name,
        short(backlog),
        short(finished),
        short(users),
        distribution,
        number(median(samples.map(({ cpuMs, calls }) => cpuMs / calls))),
        latency({
          p50: percentile(latencies, 0.5),
          p95: percentile(latencies, 0.95),
          p99: percentile(latencies, 0.99),
        }),
      ]);
    }
    await sql.end();
  }
  return [{
    title: "Counts",
    notes: ["CPU of the database per call; the budget of a count is 5 ms."],
    head: [
      ...["call", "queued", "finished", "users", "shape", "CPU ms"],
      "p50 / p95 / p99",
    ],
    rows,
  }];
}
