import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { z } from "zod";
import { checkoutDir } from "../../stack/paths.ts";
import type { Context } from "../context.ts";
import { countInstructions } from "../measure/instructions.ts";
import { connectOnce } from "../queues/connect.ts";
import { FLOOR_CLAIM, floorQueue } from "../queues/floor.ts";
import { number, times } from "../report/numbers.ts";
import type { Section } from "../report/section.ts";
import { fillOurs } from "../world/fill-ours.ts";
import type { Shape } from "../world/shape.ts";

const shape: Shape = { backlog: 30_000, users: 1_000, distribution: "even" };

/** Calls of each kind; the first half warms the session. */
const CALLS = 40;

const service = `'{"kind": "service"}'`;

const Claims = z.array(z.object({
  worker: z.string(),
  task: z.string(),
  lease: z.string(),
}));

/** A task that a worker has claimed before anything is counted. */
type Running = z.infer<typeof Claims>[number];

/** Instructions per call: the one figure that a busy machine does not change. */
export async function measureInstructions(
  context: Context,
): Promise<Section[]> {
  if (spawnSync("valgrind", ["--version"]).status !== 0) {
    context.log("instructions: left out, there is no valgrind");
    return [];
  }
  context.log("instructions: 30k tasks of 1k users");
  const { admin, stack } = context;
  await floorQueue(admin, stack.adminDbUrl).fill(shape);
  await fillOurs(admin, shape);
  const running = await claimSome(stack.dbUrl, 4 * CALLS);
  const [owner = { id: "" }] = z.array(z.object({ id: z.string() })).parse(
    await admin`select id from bench.users where n = 1`,
  );
  const kinds = calls(running, owner.id);
  await admin`checkpoint`;
  const statements = [
    ...floorCalls(),
    { sql: "set role service_role" },
    ...kinds,
  ];
  const counts = await countInstructions(
    join(checkoutDir, ".stack", "bench"),
    statements.map(({ sql }) => sql),
  );
  const byKind = new Map<string, number[]>();
  statements.forEach(({ kind }: Call, n) => {
    if (kind === undefined) return;
    byKind.set(kind, [...byKind.get(kind) ?? [], counts[n] ?? Number.NaN]);
  });
  const floor = warmMean(byKind.get(FLOOR) ?? []);
  return [{
    title: "Instructions per call",
    notes: [
      "Million instructions of a single-user backend as service_role, counted by Valgrind's callgrind: the mean of the second 20 of 40 calls " +
      "of each kind, one session; 30,000 tasks of 1,000 users. What else the machine does hardly changes them.",
    ],
    head: ["call", "million instructions", "x floor's claim"],
    rows: [...byKind].map(([kind, list]) => [
      kind,
      number(warmMean(list) / 1e6),
      times(warmMean(list) / floor),
    ]),
  }];
}

interface Call {
  sql: string;
  /** What it is counted as; without one it only prepares. */
  kind?: string;
}

const FLOOR = "the floor's claim";

function floorCalls(): Call[] {
  return [
    { sql: `prepare floor_claim as ${FLOOR_CLAIM}` },
    ...many(FLOOR, () => "execute floor_claim('bench')"),
  ];
}

/** Each kind of call, on tasks of its own where it changes them. */
function calls(running: readonly Running[], owner: string): Call[] {
  const of = (group: number, n: number): Running => {
    const found = running[group * CALLS + n];
    if (!found) throw new Error("Too few tasks were claimed");
    return found;
  };
  const claim = (n: number, more = "") =>
    `select public.claim_next_task(${service}, 'bench-${
      4 * CALLS + 1 + n
    }', 'gpu'${more})`;
  const beat = (worker: string, task: string | null) =>
    `select public.func_worker_heartbeat_with_logs('${
      JSON.stringify({
        worker_id_param: worker,
        vram_total_mb_param: 24_576,
        vram_used_mb_param: 9_000,
        logs_param: [],
        current_task_id_param: task,
      })
    }')`;
  const complete = ({ task, lease }: Running) =>
    `select public.complete_task(${service}, '${task}',
      'https://example.com/${task}.mp4', null, null, '${lease}')`;
  const report = ({ task, lease }: Running, status: string, words = "null") =>
    `select public.update_task_status(${service}, '${task}', '${status}',
      null, ${words}, null, null, null, false, '${lease}')`;
  const task = { task_type: "bench_clip", params: { prompt: "A lake" } };
  return [
    ...many("claim", (n) => claim(n)),
    ...many(
      "claim with a new claim_id",
      (n) => claim(CALLS + n, `, '${crypto.randomUUID()}'`),
    ),
    ...many(
      "idle poll",
      (n) => `select public.claim_next_task(${service}, 'api-${n}', 'api')`,
    ),
    ...many("beat without a task", (n) => beat(`bench-${500 - n}`, null)),
    ...many("beat with a task", (n) => beat(of(0, n).worker, of(0, n).task)),
    ...many("report of progress", (n) => report(of(1, n), "In Progress")),
    ...many("completion", (n) => complete(of(2, n))),
    ...many("the same completion again", (n) => complete(of(2, n))),
    ...many(
      "failure, to be tried again",
      (n) => report(of(3, n), "Failed", "'out of memory'"),
    ),
    ...many(
      "plain insert",
      () =>
        `insert into public.tasks (task_type, params, project_id)
        values ('bench_clip', '${JSON.stringify(task.params)}', '${owner}')`,
    ),
    ...many("create-task", () =>
      `select public.create_task(${service},
        '${JSON.stringify({ ...task, project: owner })}')`),
    ...many(
      "task-counts, one pool",
      () => `select public.task_counts(${service}, 'gpu')`,
    ),
    ...many(
      "task-counts, one pool, without lists",
      () => `select public.task_counts(${service}, 'gpu', true, null, false)`,
    ),
    ...many(
      "task-counts, all pools",
      () => `select public.task_counts(${service})`,
    ),
  ];
}

function many(kind: string, sql: (n: number) => string): Call[] {
  return Array.from({ length: CALLS }, (_, n) => ({ kind, sql: sql(n) }));
}

async function claimSome(dbUrl: string, count: number): Promise<Running[]> {
  const sql = connectOnce(dbUrl, "service_role");
  try {
    return Claims.parse(
      await sql.unsafe(`
        select
          'bench-' || n as worker,
          c.task ->> 'task_id' as task,
          c.task ->> 'lease_token' as lease
        from generate_series(1, ${count}) as n,
          lateral public.claim_next_task(${service}, 'bench-' || n, 'gpu')
            as c (task)`),
    );
  } finally {
    await sql.end();
  }
}

function warmMean(list: readonly number[]): number {
  const warm = list.slice(list.length / 2);
  return warm.reduce((sum, count) => sum + count, 0) / warm.length;
}
