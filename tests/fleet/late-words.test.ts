/**
 * Late words of a machine that had the task before, where names do not tell the
 * machines apart or a token speaks: the present start goes on. And what its
 * holder said of it is not lost, however that start then ends.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { beatBody, sayLast } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { counterDrift } from "../support/drift.ts";
import { beat, runJob, spawnWorker } from "../support/fleet.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";
import { claimOfMarch, taskOf } from "./clients/claims.ts";
import { Wire } from "./clients/wire.ts";

const SHARED = "local-worker";
const A = "gpu-20260121_101010-dddd0001";
const B = "gpu-20260411_101010-dddd0002";
const ERROR = "ValueError: the real reason";

let owner: Owner;
let task: string;
let wire: Wire;

beforeEach(async () => {
  await resetClock();
  await reset();
  owner = await createOwner();
  task = await createTask(owner);
  wire = new Wire(stack().apiUrl);
  for (const worker of [A, B]) await spawnWorker(worker);
  for (const worker of [A, B, SHARED]) await beat(worker);
});
afterAll(resetClock);

describe("of two machines under one name", () => {
  it("the late failure of the first does not end the start of the second", async () => {
    await start(SHARED);
    await resetByHand();
    await start(SHARED);
    expect(await failed("of the first")).toMatchObject({ changed: false });
    expect(await readTask(task))
      .toMatchObject({ status: "In Progress", attempts: 2 });
    await complete();
    expect(await readTask(task)).toMatchObject({ status: "Complete" });
    expect(await counterDrift()).toEqual([]);
  });

  it("the failure of the second comes to its end, if nobody names the task again", async () => {
    await start(SHARED);
    await resetByHand();
    await start(SHARED);
    await failed(ERROR);
    await minutes(16, [SHARED]);
    const { status, attempts, error_message } = await readTask(task);
    expect([status, attempts]).toEqual(["Queued", 2]);
    expect(error_message).toContain(ERROR);
  });

  it.each([
    ["said goodbye, naming it", () => last("terminated", true)],
    ["crashed, naming it", () => last("crashed", true)],
  ])("a failure counts when the first %s", async (_how, end) => {
    await start(SHARED);
    await end();
    await start(SHARED);
    expect(await failed(ERROR)).toMatchObject({ changed: true });
    expect(await readTask(task))
      .toMatchObject({ status: "Failed", error_message: ERROR });
  });

  it.each(["terminated", "crashed"])(
    "the last beat (%s) of the first brings lines about its own start, and takes nothing from the second",
    async (word) => {
      await start(SHARED);
      await stepClock("30 seconds");
      await resetByHand();
      await start(SHARED);
      await last(word, true, new Date(Date.now() + 20_000));
      expect(await readTask(task))
        .toMatchObject({ status: "In Progress", attempts: 2 });
      await last(word, true, new Date(Date.now() + 31_000));
      expect((await readTask(task))["status"]).toBe("Queued");
    },
  );
});

describe("a token that has lost the task", () => {
  it.each([["the fleet", B, undefined], ["another token", "pc", "other"]])(
    "does not end the start of %s, and another of its owner's may",
    async (_whose, worker, other) => {
      const [mine, others, third] = [
        new Wire(stack().apiUrl, await createToken(owner)),
        new Wire(stack().apiUrl, await createToken(owner)),
        new Wire(stack().apiUrl, await createToken(owner)),
      ];
      await start("my-pc", mine);
      await stepClock("1 hour");
      await runJob("rescue");
      await beat(B);
      await start(worker, other === undefined ? wire : others);
      expect(await failed("late", mine)).toMatchObject({ changed: false });
      expect(await readTask(task))
        .toMatchObject({ status: "In Progress", attempts: 2 });
      expect(await failed("enough", third)).toMatchObject({ changed: true });
    },
  );
});

describe("a failure that was told and held back is in the end's reason", () => {
  beforeEach(async () => {
    await start(A);
    await resetByHand();
    await start(B);
    expect(await failed(ERROR)).toMatchObject({ changed: false });
  });

  it.each<[string, () => Promise<unknown>]>([
    ["crashes", () => beat(B, [], "crashed")],
    [
      "says goodbye",
      () => sayLast(beatBody(B, [], { status_param: "terminated" })),
    ],
    ["falls silent", () => minutes(3, [A])],
    ["is set to error", () =>
      rest("PATCH", "workers", { id: `eq.${B}` }, {
        body: { status: "error", metadata: {} },
      })],
    ["is reset", async () => {
      await minutes(2, [A, B]);
      await resetByHand();
    }],
  ])("when its worker %s", async (_how, end) => {
    await end();
    const { status, error_message } = await readTask(task);
    expect(status).toBe("Queued");
    expect(error_message).toContain(`it was reported as failed: ${ERROR}`);
  });

  it("also after many late words, which are only counted", async () => {
    for (let word = 1; word <= 25; word++) await failed(`late ${word}`);
    await failed(`${ERROR} (last)`);
    await beat(B, [], "crashed");
    expect((await readTask(task))["error_message"])
      .toContain(`it was reported as failed: ${ERROR} (last)`);
  });
});

async function start(worker: string, by = wire): Promise<void> {
  expect(taskOf(await claimOfMarch(by, worker))).toBe(task);
  const body = {
    task_id: task,
    status: "In Progress",
    reset_generation_started_at: true,
  };
  expect((await by.edge("update-task-status", body)).status).toBe(200);
}

async function failed(text: string, by = wire): Promise<unknown> {
  const body = { task_id: task, status: "Failed", output_location: text };
  return (await by.edge("update-task-status", body)).json;
}

function complete() {
  const body = { task_id: task, output_location: "https://files.test/a.mp4" };
  return wire.edge("complete_task", body);
}

/** The last beat of a machine under the shared name. */
function last(status_param: string, isNamed: boolean, at = new Date()) {
  const line = { message: "Step", task_id: task, timestamp: at.toISOString() };
  return sayLast(beatBody(SHARED, isNamed ? [line] : [], { status_param }));
}

function resetByHand() {
  return wire.rows("PATCH", "tasks", { id: `in.(${task})` }, {
    status: "Queued",
    worker_id: null,
    generation_started_at: null,
    generation_processed_at: null,
    error_message: "Reset - orphaned from failed worker",
  });
}

async function minutes(
  count: number,
  alive: readonly string[],
): Promise<void> {
  for (let minute = 1; minute <= count; minute++) {
    await stepClock("1 minute");
    for (const worker of alive) await beat(worker);
    await runJob("rescue");
  }
}
