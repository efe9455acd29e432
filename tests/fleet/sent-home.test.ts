/**
 * A machine that is sent home with a task in its hands: the orchestrator's word
 * for it and the machine's own farewell come in either order, and neither is the
 * task's fault. A machine that is switched off because its task hung, or because
 * it was silent, has lost a start (docs/fleet.md).
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { sayGoodbye } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import {
  beat,
  failedWorkers,
  runJob,
  spawnWorker,
  storyOf,
} from "../support/fleet.ts";
import { holdOwner, isOpen } from "../support/holding.ts";
import { rest } from "../support/rest.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const W = "gpu-20260411_101010-dddd0002";
const REASONS: readonly (readonly [string, Record<string, unknown>])[] = [
  ["May, over capacity", { termination_reason: "over_capacity" }],
  ["May, idle", { termination_reason: "idle" }],
  ["January, idle", {
    error_reason: "Idle timeout (320s) with no work available",
  }],
];

let owner: Owner;
let task: string;

beforeEach(async () => {
  await resetClock();
  await reset();
  owner = await createOwner();
  task = await createTask(owner);
  await spawnWorker(W);
  await beat(W);
  await startTask(task, W);
  // Longer than what an orchestrator may have overlooked.
  await stepClock("90 seconds");
  await beat(W);
});
afterAll(resetClock);

describe.each(REASONS)("sent home as in %s", (_who, why) => {
  it.each([
    ["before its farewell", () => terminate(why).then(() => sayGoodbye(W))],
    ["after its farewell", () => sayGoodbye(W).then(() => terminate(why))],
    ["and beating on until its farewell", async () => {
      await terminate(why);
      await beat(W);
      await sayGoodbye(W);
    }],
    ["without a farewell", () => terminate(why)],
    ["in two steps", () => marked(why).then(() => terminate(why))],
    ["in two steps, gone in between", async () => {
      await marked(why);
      await crash();
      await terminate(why);
    }],
    ["in two steps, silent from the first on", async () => {
      await marked(why);
      await stepClock("130 seconds");
      await terminate(why);
    }],
    ["in two steps, the second of which is late", async () => {
      await marked(why);
      await stepClock("130 seconds");
      await runJob("rescue");
      await terminate(why);
    }],
    ["in two steps, the second of which never comes", async () => {
      await marked(why);
      await stepClock("130 seconds");
      await runJob("rescue");
    }],
    ["and its guardian finds the process gone", async () => {
      await terminate(why);
      await crash();
    }],
  ])("%s: said once, no start lost, nobody has failed", async (_when, end) => {
    await end();
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      worker_id: null,
      attempts: 0,
      uncounted_releases: 1,
    });
    const ends = (await storyOf(task)).filter((line) =>
      line.startsWith("In Progress ->")
    );
    expect(ends).toHaveLength(1);
    expect(ends[0]).toContain("Attempt 1 was released");
    expect(await failedWorkers()).toEqual([]);
  });
});

describe("a start counts all the same", () => {
  it.each<[string, () => Promise<unknown>]>([
    [
      "when the reason is a fault",
      () => terminate({ termination_reason: "stuck_task" }),
    ],
    ["when there is no reason", () => terminate({ terminated_by: "debug" })],
    ["when the reason of January is a fault", () =>
      terminate({
        error_reason: "Stale heartbeat with active tasks",
      })],
    [
      "when the machine is set to error",
      () =>
        rest("PATCH", "workers", { id: `eq.${W}` }, {
          body: { status: "error", metadata: { termination_reason: "idle" } },
        }),
    ],
    ["when the machine was silent", async () => {
      await stepClock("101 seconds");
      await terminate({ termination_reason: "over_capacity" });
    }],
    ["when the machine was silent before the first of two steps", async () => {
      await stepClock("101 seconds");
      await marked({ termination_reason: "over_capacity" });
      await terminate({ termination_reason: "over_capacity" });
    }],
    ["when the first of two steps names a fault", async () => {
      await marked({ termination_reason: "stuck_task" });
      await terminate({ termination_reason: "stuck_task" });
    }],
    [
      "when nothing was heard of the task for as long as a stuck one",
      async () => {
        await stepClock("20 minutes");
        await beat(W);
        await terminate({ termination_reason: "over_capacity" });
      },
    ],
  ])("%s", async (_when, end) => {
    await end();
    await sayGoodbye(W);
    await runJob("rescue");
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      attempts: 1,
      uncounted_releases: 0,
    });
    expect(await failedWorkers()).toEqual([W]);
  });
});

it("gives the task back uncounted also when its owner was held at the time", async () => {
  const holder = await holdOwner(owner);
  await terminate({ termination_reason: "over_capacity" });
  expect(await isOpen(holder)).toBe(true);
  expect(await readTask(task)).toMatchObject({ status: "In Progress" });
  await holder`rollback`;
  await runJob("rescue");
  expect(await readTask(task)).toMatchObject({ status: "Queued", attempts: 0 });
});

function terminate(metadata: Record<string, unknown>) {
  const body = { status: "terminated", metadata };
  return rest("PATCH", "workers", { id: `eq.${W}` }, { body });
}

function marked(metadata: Record<string, unknown>) {
  const body = { status: "terminating", metadata };
  return rest("PATCH", "workers", { id: `eq.${W}` }, { body });
}

/** The last beat of machines until March, whose process is gone. */
function crash() {
  return beat(W, [], "crashed");
}
