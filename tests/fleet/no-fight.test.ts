/**
 * The orchestrators' own resets, promotions and terminations beside the rescue,
 * the jobs, the beats and late reports: each pair in both orders, and a third
 * time with the orchestrator's write coming late, by what it saw before. Counted
 * once, said once, and nobody has failed who was scaled down.
 */
import { afterAll, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { beat, runJob, spawnWorker } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import {
  type Move,
  ORCHESTRATORS,
  OTHERS,
  RESET_WORDS,
  type Scene,
} from "./clients/moves.ts";
import { ROUTED } from "./clients/scaling.ts";
import {
  failedAfter,
  type Order,
  ORDERS,
  type Other,
  type Theirs,
} from "./clients/verdicts.ts";

const W = "gpu-20260411_101010-dddd0002";
const ENDS: Theirs[] = [
  "O1 sets to error",
  "O2 sets to error",
  "O1 marks as terminating",
  "O1 terminates",
  "O4 terminates",
];
const REPORTS: Other[] = ["a late result", "a late failure"];

afterAll(resetClock);

/** The pairs, in each order. */
function pairs(theirs: readonly Theirs[], others: readonly Other[]) {
  return theirs.flatMap((one) =>
    others.flatMap((other) =>
      ORDERS.map((order) => [one, order, other] as const)
    )
  );
}

describe("a worker that has been silent with its task for half an hour", () => {
  it.each(pairs(Object.keys(ORCHESTRATORS) as Theirs[], keysOf(OTHERS)))(
    "%s, %s, beside %s: one start, one end of it, one failure or none",
    async (one, order, other) => {
      const scene = await sceneOf(poolOf(one), true);
      await stepClock("31 minutes");
      await play(scene, one, order, other);
      await runJob("rescue");

      const task = await readTask(scene.taskId);
      const ends = await endsOf(scene.taskId);
      // What its holder hands back itself is not counted, all else is.
      expect(ends, ends.join("; ")).toHaveLength(1);
      const isFree = /handed back|beats, but has not named/.test(ends[0] ?? "");
      expect(task["attempts"]).toBe(isFree ? 0 : 1);
      if (other === "a late result") expect(task["status"]).toBe("Complete");
      else if (other !== "a late failure") {
        expect(task["status"]).toBe("Queued");
      }
      expect(await failures()).toBe(failedAfter(one, order, other));
      expect(await counterDrift()).toEqual([]);
    },
  );
});

describe("a worker that beats and has nothing", () => {
  it.each(pairs(ENDS, keysOf(OTHERS).filter((o) => !REPORTS.includes(o))))(
    "%s, %s, beside %s: it is gone and has not failed",
    async (one, order, other) => {
      const scene = await sceneOf(poolOf(one), false);
      await play(scene, one, order, other);
      await runJob("rescue");
      expect(await failures()).toBe(
        // An orchestrator's own word for a failure, after a crash.
        one.endsWith("sets to error") && other.includes("crashed") &&
          order !== "first"
          ? 1
          : 0,
      );
      const { status, metadata } = await workerOf(scene);
      if (one === "O4 terminates") expect(metadata).toMatchObject(ROUTED);
      expect(status).toBe(
        {
          "O1 sets to error": "error",
          "O2 sets to error": "error",
          "O1 marks as terminating": "terminating",
          "O1 terminates": "terminated",
          "O4 terminates": "terminated",
        }[one as string],
      );
    },
  );

  it.each(ENDS.filter((one) => one.endsWith("terminates")))(
    "%s while it takes a task: the task is back, and nobody has failed",
    async (one) => {
      const scene = await sceneOf("gpu", false);
      const write = await ORCHESTRATORS[one](scene);
      await startTask(scene.taskId, scene.workerId);
      await write();
      expect(await readTask(scene.taskId)).toMatchObject({ status: "Queued" });
      expect(await failures()).toBe(0);
    },
  );
});

describe("a promotion that comes late", () => {
  it.each<[Other, string, number]>([
    ["a last beat, crashed", "crashed", 1],
    ["a last beat, terminated", "terminated", 0],
    ["the rescue", "error", 1],
  ])("does not hide %s: the worker stays %s", async (other, status, failed) => {
    for (const order of ["last", "late"] as const) {
      const scene = await sceneOf("gpu", true);
      await stepClock("101 seconds");
      await play(scene, "O2 promotes", order, other);
      await runJob("rescue");
      expect(await workerOf(scene)).toMatchObject({ status });
      expect(await failures()).toBe(failed);
      // If it lives all the same, its next beat says so.
      await beat(scene.workerId);
      expect(await workerOf(scene)).toMatchObject({ status: "active" });
    }
  });
});

describe("a reset that was overtaken", () => {
  it.each<Theirs>([
    "O1 resets orphans",
    "O1 resets what is stale",
    "O1 resets by API timeout",
  ])("(%s) leaves the start of another machine alone", async (one) => {
    const pool = poolOf(one);
    const scene = await sceneOf(pool, true);
    await stepClock("31 minutes");
    const write = await ORCHESTRATORS[one](scene);
    await runJob("rescue");
    const next = pool === "gpu" ? `${W}-next` : scene.workerId;
    if (pool === "gpu") await beat(next);
    await startTask(scene.taskId, next);
    await write();
    expect(await readTask(scene.taskId)).toMatchObject({
      status: "In Progress",
      worker_id: next,
      attempts: 2,
    });
    expect(await endsOf(scene.taskId)).toHaveLength(1);
    // A machine that has had it for a while, or is gone, is not shielded.
    await stepClock("2 minutes");
    await write();
    expect((await readTask(scene.taskId))["status"]).toBe("Queued");
  });
});

type Pool = "gpu" | "api" | "by hand";

/** Whom an orchestrator's move is about. */
function poolOf(one: Theirs): Pool {
  if (one === "O2 sets to error") return "by hand";
  const isOfApi = one === "O1 resets by API timeout" ||
    one === "O4 resets at its start";
  return isOfApi ? "api" : "gpu";
}

async function sceneOf(pool: Pool, holds: boolean): Promise<Scene> {
  await resetClock();
  await reset();
  const workerId = pool === "api" ? "api-worker-main" : W;
  const task_type = pool === "api" ? "qwen_image_edit" : "travel_segment";
  const taskId = await createTask(await createOwner(), { task_type });
  if (pool !== "api") {
    // Whom nobody rented has no pod, which is what O2 takes offence at.
    if (pool === "gpu") await spawnWorker(workerId);
    await beat(workerId);
    // It has been there for a while.
    await admin()`
      update public.workers set created_at = queue.now() - interval '1 hour'
    `;
  }
  if (holds) await startTask(taskId, workerId);
  const now = () => new Date(Date.now() + 31 * 60_000);
  return { workerId, taskId, now };
}

async function play(scene: Scene, one: Theirs, order: Order, other: Other) {
  const theirs: Move = ORCHESTRATORS[one];
  const others: Move = OTHERS[other];
  if (order === "first") {
    const putBack = await (await theirs(scene))();
    // It has found what it is about, and it alone has ended that start.
    if (one in RESET_WORDS) {
      expect(putBack).toEqual([scene.taskId]);
      expect((await endsOf(scene.taskId)).at(-1)).toContain(
        RESET_WORDS[one as keyof typeof RESET_WORDS],
      );
    }
  }
  const write = order === "late" ? await theirs(scene) : undefined;
  await (await others(scene))();
  await write?.();
  if (order === "last") await (await theirs(scene))();
}

/** How starts of the task ended: what was said each time. */
async function endsOf(taskId: string): Promise<string[]> {
  const events = await admin()<{ line: string }[]>`
    select concat(to_status, ': ', reason) as line
    from public.task_events
    where task_id = ${taskId}
      and from_status = 'In Progress'
      and to_status <> 'In Progress'
    order by id
  `;
  return events.map(({ line }) => line);
}

async function workerOf({ workerId }: Scene) {
  const [row] = await admin()<{ status: string; metadata: unknown }[]>`
    select status, metadata from public.workers where id = ${workerId}
  `;
  return row ?? { status: "", metadata: {} };
}

async function failures(): Promise<number> {
  const key = stack().serviceRoleKey;
  const { json } = await callFunction("worker-health", {}, { key });
  return (json as { failures: { workers_failed: number } }).failures
    .workers_failed;
}

function keysOf<T extends object>(table: T): (keyof T & string)[] {
  return Object.keys(table) as (keyof T & string)[];
}
