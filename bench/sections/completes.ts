import type { Sql } from "postgres";
import { z } from "zod";
import type { Context } from "../context.ts";
import { median } from "../measure/statistics.ts";
import { connectOnce } from "../queues/connect.ts";
import { number } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import { fillOurs } from "../world/fill-ours.ts";
import { short } from "../world/shape.ts";

const Ids = z.array(z.object({ id: z.string() }));

/** The relatives of a task that is completed. */
const families = [
  { name: "1 sibling", siblings: 1, dependants: 0 },
  { name: "1,000 siblings", siblings: 1000, dependants: 0 },
  { name: "1 dependant", siblings: 0, dependants: 1 },
  { name: "1,000 dependants", siblings: 0, dependants: 1000 },
];

/** Completions of tasks with few and many relatives, in small and big backlogs. */
export async function measureCompletes(context: Context): Promise<Section[]> {
  const { plan, admin, stack, probe } = context;
  const rows: string[][] = [];
  for (const backlog of [1_000, plan.largestBacklog]) {
    context.log(`completes: ${short(backlog)} tasks`);
    await fillOurs(admin, { backlog, users: 1_000, distribution: "even" });
    const sql = connectOnce(stack.dbUrl, "service_role");
    for (const family of families) {
      const repeats = Math.ceil(plan.rounds / 3);
      const costs: number[] = [];
      const latencies: number[] = [];
      for (let n = 0; n <= repeats; n++) {
        const id = await startFamily(admin, family, 1 + n);
        const { cpuMs, latenciesMs } = await probe.measure(
          { clients: 1, calls: 1, budgetMs: plan.budgetMs },
          () =>
            sql`select public.complete_task(
              ${sql.json({ kind: "service" })}, ${id}, 'https://x/y.mp4'
            )`,
        );
        if (n === 0) continue;
        costs.push(cpuMs);
        latencies.push(...latenciesMs);
      }
      rows.push([
        family.name,
        short(backlog),
        number(median(costs)),
        number(median(latencies)),
      ]);
    }
    await sql.end();
  }
  return [{
    title: "Completions and relatives",
    notes: [
      "Siblings: queued tasks of the same user with the same orchestrator. Dependants: queued tasks that become ready by this completion; " +
      "their rows change, so the cost grows with their number and with nothing else.",
    ],
    head: ["completed task has", "backlog", "CPU ms", "p50 ms"],
    rows,
  }];
}

/** A running task with these relatives, all of one user. */
async function startFamily(
  admin: Sql,
  { siblings, dependants }: { siblings: number; dependants: number },
  userNumber: number,
): Promise<string> {
  const [task] = Ids.parse(
    await admin`
      insert into public.tasks (task_type, params, project_id)
      select 'bench_segment',
        jsonb_build_object('orchestrator_task_id_ref', gen_random_uuid()),
        u.id
      from bench.users as u
      where u.n = ${userNumber}
      returning id`,
  );
  if (!task) throw new Error("No task was inserted");
  await admin`
    insert into public.tasks (task_type, params, project_id, dependant_on)
    select t.task_type, t.params, t.project_id,
      case when n > ${siblings} then t.id end
    from public.tasks as t
      cross join generate_series(1, ${siblings + dependants}) as n
    where t.id = ${task.id}`;
  await admin`
    select queue.start_task(${task.id}, 'bench-1', null, null, now())`;
  return task.id;
}
