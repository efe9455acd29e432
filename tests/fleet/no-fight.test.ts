/**
 * The orchestrators' own resets, promotions and terminations beside the rescue,
 * the jobs, the beats and late reports: each pair in both orders, and a third
 * time with the orchestrator's write coming late, by what it saw before. Counted
 * once, said once, and nobody has failed who was scaled down. Pairs that do not
 * touch each other are played side by side, each with a worker of its own.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { beat, failedWorkers, runJob } from "../support/fleet.ts";
import { readTask, startTask } from "../support/world.ts";
import {
  type Cast,
  castOf,
  play,
  poolOf,
  sceneAlone,
  sceneOf,
} from "./clients/cast.ts";
import { ORCHESTRATORS, OTHERS, type Scene } from "./clients/moves.ts";
import { ROUTED } from "./clients/scaling.ts";
import {
  hasFailed,
  hasFailedIdle,
  ORDERS,
  type Other,
  startEndsAs,
  taskAfter,
  type Theirs,
  WORKER_AFTER,
} from "./clients/verdicts.ts";

const THEIRS = keysOf(ORCHESTRATORS);
/** They look at all that runs, so they have a world to themselves. */
const LONERS: Theirs[] = [
  "O1 resets what is stale",
  "O1 resets by API timeout",
];
const SIDE_BY_SIDE = [
  ...LONERS.map((one) => [one]),
  THEIRS.filter((one) => !LONERS.includes(one)),
];
const ENDS = keysOf(WORKER_AFTER);
const REPORTS: Other[] = ["a late result", "a late failure"];

afterAll(resetClock);

/** Who writes, when, and what happens beside. */
function worlds(
  casts: readonly (readonly Theirs[])[],
  others: readonly Other[],
) {
  return casts.flatMap((theirs) =>
    others.flatMap((other) => ORDERS.map((order) => ({ theirs, order, other })))
  );
}

describe.each(worlds(SIDE_BY_SIDE, keysOf(OTHERS)))(
  "a worker that has been silent with its task for half an hour, $order, beside $other:",
  ({ theirs, order, other }) => {
    let cast: Cast;

    beforeAll(async () => {
      cast = await castOf(theirs, true);
      await stepClock("31 minutes");
      await play(cast, order, other);
      await runJob("rescue");
    });

    it.each(theirs)("%s: one start, one end of it", async (one) => {
      const { taskId, workerId } = sceneOf(cast, one);
      const to = startEndsAs(one, order, other);
      expect(await endsOf(taskId))
        .toEqual([{ to, worker: workerId, attempt: 1 }]);
      expect(await readTask(taskId))
        .toMatchObject(taskAfter(one, order, other));
    });

    it("exactly those have failed that should, and the counts are right", async () => {
      const failed = theirs.filter((one) => hasFailed(one, order, other))
        .map((one) => sceneOf(cast, one).workerId);
      expect(await failedWorkers()).toEqual(failed.toSorted());
      expect(await counterDrift()).toEqual([]);
    });
  },
);

describe.each(
  worlds([ENDS], keysOf(OTHERS).filter((other) => !REPORTS.includes(other))),
)(
  "a worker that beats and has nothing, $order, beside $other:",
  ({ theirs, order, other }) => {
    let cast: Cast;

    beforeAll(async () => {
      cast = await castOf(theirs, false);
      await play(cast, order, other);
      await runJob("rescue");
    });

    it.each(ENDS)("%s: it is gone", async (one) => {
      const { status, metadata } = await workerOf(sceneOf(cast, one));
      expect(status).toBe(WORKER_AFTER[one]);
      if (one === "O4 terminates") expect(metadata).toMatchObject(ROUTED);
    });

    it("exactly those have failed that should", async () => {
      const failed = ENDS.filter((one) => hasFailedIdle(one, order, other))
        .map((one) => sceneOf(cast, one).workerId);
      expect(await failedWorkers()).toEqual(failed.toSorted());
    });
  },
);

describe("a worker that beats", () => {
  it.each(ENDS.filter((one) => one.endsWith("terminates")))(
    "%s while it takes a task: the task is back, and nobody has failed",
    async (one) => {
      const scene = await sceneAlone(one, false);
      const write = await ORCHESTRATORS[one](scene);
      await startTask(scene.taskId, scene.workerId);
      await write();
      expect(await readTask(scene.taskId)).toMatchObject({ status: "Queued" });
      expect(await failedWorkers()).toEqual([]);
    },
  );
});

describe("a promotion that comes late", () => {
  it.each<[Other, string, boolean]>([
    ["a last beat, crashed", "crashed", true],
    ["a last beat, terminated", "terminated", false],
    ["the rescue", "error", true],
  ])("does not hide %s: the worker stays %s", async (other, status, failed) => {
    for (const order of ["last", "late"] as const) {
      const scene = await sceneAlone("O2 promotes", true);
      await stepClock("101 seconds");
      await play(new Map([["O2 promotes", scene]]), order, other);
      await runJob("rescue");
      expect(await workerOf(scene)).toMatchObject({ status });
      expect(await failedWorkers()).toEqual(failed ? [scene.workerId] : []);
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
    const scene = await sceneAlone(one, true);
    await stepClock("31 minutes");
    const write = await ORCHESTRATORS[one](scene);
    await runJob("rescue");
    const isOfGpu = poolOf(one) === "gpu";
    const next = isOfGpu ? `${scene.workerId}-next` : scene.workerId;
    if (isOfGpu) await beat(next);
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

interface End {
  readonly to: string;
  readonly worker: string;
  readonly attempt: number;
}

/** How starts of the task ended, as the history tells it. */
async function endsOf(taskId: string): Promise<End[]> {
  return [
    ...await admin()<End[]>`
      select to_status as to, worker_id as worker, attempt
      from public.task_events
      where task_id = ${taskId}
        and from_status = 'In Progress'
        and to_status <> 'In Progress'
      order by id
    `,
  ];
}

async function workerOf({ workerId }: Scene) {
  const [row] = await admin()<{ status: string; metadata: unknown }[]>`
    select status, metadata from public.workers where id = ${workerId}
  `;
  return row ?? { status: "", metadata: {} };
}

function keysOf<T extends object>(table: T): (keyof T & string)[] {
  return Object.keys(table) as (keyof T & string)[];
}
