/**
 * Results that arrive after their task was taken back: whoever made them is named
 * as if it had not been (docs/fleet.md).
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { beat, claimAs, runJob } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
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
import { Wire } from "./clients/wire.ts";

const W = "gpu-20260111_120000-0a1b2c3d";
const OTHER = "gpu-20260111_120000-00000002";
const output_location = "https://files.test/late.mp4";

let owner: Owner;
let task: string;
let wire: Wire;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task = await createTask(owner);
  wire = new Wire(stack().apiUrl);
});

afterEach(resetClock);

describe("a result that comes after its task was requeued", () => {
  it("names its worker and counts its start, though the task was never delivered", async () => {
    await claimAs(W);
    for (let minutes = 0; minutes <= 16; minutes++) {
      await stepClock("1 minute");
      await beat(W);
      await runJob("rescue");
    }
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      worker_id: null,
      attempts: 0,
    });
    await complete();
    await expectBy(W, 1);
  });

  it("names the last of those that had it, after a rescue", async () => {
    for (const worker of [W, OTHER]) {
      await claimAs(worker);
      await beat(worker);
      await stepClock("2 minutes");
      await runJob("rescue");
    }
    await complete();
    await expectBy(OTHER, 2);
  });

  it.each(["update-task-status", "a PATCH"])(
    "is named however it comes: %s",
    async (way) => {
      await claimAs(W);
      const patch = (body: object) =>
        rest("PATCH", "tasks", { id: `eq.${task}` }, { body });
      await patch({ status: "Queued", worker_id: null });
      const status = "Complete";
      if (way === "a PATCH") await patch({ status, output_location });
      else {
        await wire.edge(way, { task_id: task, status, output_location });
      }
      await expectBy(W, 1);
    },
  );

  it("stays that of the user's own machine which made it", async () => {
    const key = await createToken(owner);
    await callFunction("claim-next-task", { worker_id: "mine" }, { key });
    const { worker_id } = await readTask(task);
    await rest("PATCH", "tasks", { id: `eq.${task}` }, {
      body: { status: "Queued", worker_id: null },
    });
    const body = { task_id: task, output_location };
    expect((await callFunction("complete_task", body, { key })).status)
      .toBe(200);
    await expectBy(String(worker_id), 1);
    expect(await readTask(task)).toHaveProperty("token_id", expect.any(String));
  });
});

async function complete(): Promise<void> {
  const body = { task_id: task, output_location };
  expect(await wire.edge("complete_task", body)).toMatchObject({ status: 200 });
}

async function expectBy(worker_id: string, attempts: number): Promise<void> {
  expect(await readTask(task)).toMatchObject({
    status: "Complete",
    output_location,
    worker_id,
    attempts,
  });
}
