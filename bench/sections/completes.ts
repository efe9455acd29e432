import type { Sql } from "postgres";
import { z } from "zod";
import type { Context } from "../context.ts";
import { cost } from "../measure/contest.ts";
import type { Sample } from "../measure/probe.ts";
import { connectOnce } from "../queues/connect.ts";
import { number } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import { fillOurs } from "../world/fill-ours.ts";
import { short } from "../world/shape.ts";

const Ids = z.array(z.object({ id: z.string() }));

/** The relatives of tasks that are completed, and how many such tasks at once. */
const families = [
  { name: "1 sibling", siblings: 1, dependents: 0, tasks: 20 },
  { name: "1,000 siblings", siblings: 1000, dependents: 0, tasks: 3 },
  { name: "1 dependent", siblings: 0, dependents: 1, tasks: 20 },
  { name: "1,000 dependents", siblings: 0, dependents: 1000, tasks: 1 },
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
      const samples: Sample[] = [];
      for (let n = 0; n <= Math.ceil(plan.rounds / 3); n++) {
        const ids: string[] = [];
        while (ids.length < family.tasks) {
          const user = 1 + n * family.tasks + ids.length;
          ids.push(await startFamily(admin, family, user));
        }
        const sample = await probe.measure(
          { clients: 1, calls: ids.length, budgetMs: plan.budgetMs },
          () =>
            sql`select public.complete_task(
              ${sql.json({ kind: "service" })}, ${ids.pop() ?? null},
              'https://x/y.mp4'
            )`,
        );
        if (n > 0) samples.push(sample);
      }
      const result = cost(samples, samples);
      rows.push([
        family.name,
        short(backlog),
        number(result.cpuMs),
        number(result.p50),
      ]);
    }
    await sql.end();
  }
  return [{
    title: "Completions and relatives",
    notes: [
      "Siblings: queued tasks of the same user with the same orchestrator. Dependents: queued tasks that become ready by this completion; " +
      "their rows change, so the cost grows with their number and with nothing else.",
    ],
    head: ["completed task has", "backlog", "CPU ms", "p50 ms"],
    rows,
  }];
}

/** A running task with these relatives, all of one user. */
async function startFamily(
  admin: Sql,
  { siblings, dependents }: { siblings: number; dependents: number },
  userNumber: number,
): Promise<string> {
  const [task] = Ids.parse(
    await admin`
      insert into public.tasks (task_type, params, project_id)
      select 'bench_clip',
        jsonb_build_object(fairlane_core.parent_key(), gen_random_uuid()),
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
      cross join generate_series(1, ${siblings + dependents}) as n
    where t.id = ${task.id}`;
  await admin`
    select fairlane_core.start_task(${task.id}, 'bench-1', null, null, now())`;
  return task.id;
}
