/**
 * The orchestrators' own resets, promotions and terminations beside the rescue,
 * the jobs, the beats and late reports: each pair in both orders, and a third
 * time with the orchestrator's write coming late, by what it saw before. Counted
 * once, said once, and nobody has failed who was scaled down.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
  type Scene,
} from "./clients/moves.ts";

type Theirs = keyof typeof ORCHESTRATORS;
type Other = keyof typeof OTHERS;

const ORDERS = ["first", "last", "late"] as const;
type Order = typeof ORDERS[number];

const W = "gpu-20260411_101010-dddd0002";
const ENDS: Theirs[] = [
  "O1 sets to error",
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
    "%s, %s, beside %s: one start, one end of it, at most one failure",
    async (one, order, other) => {
      const scene = await sceneOf(isOfApi(one) ? "api" : "gpu", true);
      await stepClock("31 minutes");
      await play(scene, one, order, other);
      await settle();

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
      expect(await failures()).toBeLessThanOrEqual(1);
      expect(await counterDrift()).toEqual([]);
    },
  );
});

describe("a worker that beats and has nothing", () => {
  it.each(pairs(ENDS, keysOf(OTHERS).filter((o) => !REPORTS.includes(o))))(
    "%s, %s, beside %s: it is gone and has not failed",
    async (one, order, other) => {
      const scene = await sceneOf("gpu", false);
      await play(scene, one, order, other);
      await settle();
      expect(await failures()).toBe(
        // An orchestrator's own word for a failure, after a crash.
        one === "O1 sets to error" && other.includes("crashed") &&
          order !== "first"
          ? 1
          : 0,
      );
      expect(await statusOf(scene.workerId)).toBe(
        {
          "O1 sets to error": "error",
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
      await settle();
      expect(await statusOf(scene.workerId)).toBe(status);
      expect(await failures()).toBe(failed);
      // If it lives all the same, its next beat says so.
      await beat(scene.workerId);
      expect(await statusOf(scene.workerId)).toBe("active");
    }
  });
});

describe("a reset that was overtaken", () => {
  it.each<[Theirs, "gpu" | "api"]>([
    ["O1 resets orphans", "gpu"],
    ["O1 resets what is stale", "gpu"],
    ["O1 resets by API timeout", "api"],
  ])("(%s) leaves the start of another machine alone", async (one, pool) => {
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

function isOfApi(one: Theirs): boolean {
  return one === "O1 resets by API timeout" || one === "O4 resets at its start";
}

async function sceneOf(pool: "gpu" | "api", holds: boolean): Promise<Scene> {
  await resetClock();
  await reset();
  const workerId = pool === "api" ? "api-worker-main" : W;
  const task_type = pool === "api" ? "qwen_image_edit" : "travel_segment";
  const taskId = await createTask(await createOwner(), { task_type });
  if (pool === "gpu") {
    await spawnWorker(workerId);
    await beat(workerId);
    // It has been there for a while.
    await admin()`
      update public.workers set created_at = queue.now() - interval '1 hour'
    `;
  }
  if (holds) await startTask(taskId, workerId);
  return { workerId, taskId, now: clock };
}

let offset = 0;
function clock(): Date {
  return new Date(Date.now() + offset);
}
beforeAll(() => {
  offset = 31 * 60_000;
});

async function play(scene: Scene, one: Theirs, order: Order, other: Other) {
  const theirs: Move = ORCHESTRATORS[one];
  const others: Move = OTHERS[other];
  if (order === "first") await (await theirs(scene))();
  const write = order === "late" ? await theirs(scene) : undefined;
  await (await others(scene))();
  await write?.();
  if (order === "last") await (await theirs(scene))();
}

/** What runs every minute runs once more, and everything has been decided. */
async function settle(): Promise<void> {
  await runJob("rescue");
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

async function statusOf(workerId: string): Promise<string | undefined> {
  const [row] = await admin()<{ status: string }[]>`
    select status from public.workers where id = ${workerId}
  `;
  return row?.status;
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
