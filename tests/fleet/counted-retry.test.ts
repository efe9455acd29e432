/**
 * Workers from 21 January on try a task again by themselves: they read
 * `attempts` from the claim and put the task back with the reason (docs/fleet.md).
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { beat, storyOf } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";
import { type LossyNetwork, startNetwork } from "./clients/lossy-network.ts";
import {
  askForRetry,
  type Claimed,
  claimOf,
  patchForRetry,
  retryBody,
} from "./clients/retry-since-january.ts";
import { Wire } from "./clients/wire.ts";

const W = "gpu-20260121_101010-dddd0001";
const OTHER = "gpu-20260411_101010-dddd0002";
const RESET = "ConnectionError: reset by peer";

let owner: Owner;
let task: string;
let wire: Wire;
let network: LossyNetwork | undefined;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task = await createTask(owner);
  wire = new Wire(stack().apiUrl);
});

afterEach(async () => {
  await network?.stop();
  network = undefined;
});

describe("a retry of a worker of 21 January", () => {
  it("counts the start, keeps the reason, and ends after the third with its story", async () => {
    for (const attempts of [0, 1, 2]) {
      const claimed = await claim(W);
      expect(claimed).toMatchObject({ attempt: attempts + 1, attempts });
      const body = retryBody(claimed, "network_transient", RESET);
      const reply = await askForRetry(wire, body);
      expect(reply).toMatchObject({ status: 200, json: { changed: true } });
      expect(await readTask(task)).toMatchObject({
        status: attempts < 2 ? "Queued" : "Failed",
        attempts: attempts + 1,
        error_details: body["error_details"],
        error_message: attempts < 2
          ? body["error_details"]
          : `Given up after 3 attempts; the last one ended with: ${
            body["error_details"]
          }`,
      });
    }
    const reasons = [1, 2, 3].map((n) =>
      `Retry ${n} (network_transient): ${RESET}`
    );
    expect((await storyOf(task)).filter((line) => line.startsWith("In Prog")))
      .toEqual([
        `In Progress -> Queued: ${reasons[0]}`,
        `In Progress -> Queued: ${reasons[1]}`,
        `In Progress -> Failed: ${reasons[2]}`,
      ]);
    expect(await claimOf(wire, W)).toBeNull();
  });

  it("is counted by the queue, whatever number the worker sends", async () => {
    for (const starts of [1, 2, 3]) {
      const { task_id } = await claim(W);
      const body = retryBody({ task_id }, "generation_no_output", "none");
      await askForRetry(wire, body);
      expect(await readTask(task)).toMatchObject({ attempts: starts });
    }
    expect(await readTask(task)).toMatchObject({ status: "Failed" });
  });

  it("is one failure when its replies are lost, also after another worker has the task", async () => {
    const body = retryBody(await claim(W), "network_transient", RESET);
    network = await startNetwork(2);
    const lossy = new Wire(network.url);
    for (let i = 0; i < 3; i++) {
      expect(await askForRetry(lossy, body)).toMatchObject({ status: 200 });
    }
    expect(network.lost()).toBeGreaterThan(0);
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      attempts: 1,
    });

    expect(await claim(OTHER)).toMatchObject({ attempts: 1 });
    expect(await askForRetry(wire, body))
      .toMatchObject({ status: 200, json: { changed: false } });
    expect(await patchForRetry(wire, body)).toEqual([]);
    expect(await readTask(task)).toMatchObject({
      status: "In Progress",
      worker_id: OTHER,
      attempts: 2,
    });
  });

  it("does not shield its former worker from the next one's failure", async () => {
    await beat(W);
    await askForRetry(
      wire,
      retryBody(await claim(W), "network_transient", RESET),
    );
    const next = await claim(OTHER);
    await beat(W);
    const body = { task_id: task, status: "Failed", output_location: "broken" };
    expect(await wire.edgeWithRetry("update-task-status", body))
      .toMatchObject({ status: 200, json: { changed: true } });
    expect(next.attempts).toBe(1);
    expect(await readTask(task)).toMatchObject({ status: "Failed" });
  });

  it("counts as well when it is a PATCH, which workers until 29 March send when all else failed", async () => {
    const first = retryBody(await claim(W), "edge_function_transient", "500");
    expect(await patchForRetry(wire, first)).toMatchObject([{
      id: task,
      status: "Queued",
      worker_id: null,
      attempts: 1,
      error_message: first["error_details"],
      error_details: first["error_details"],
    }]);
    expect(await patchForRetry(wire, first)).toMatchObject([{ attempts: 1 }]);
    expect(await claim(OTHER)).toMatchObject({ attempts: 1 });
    expect(await patchForRetry(wire, first)).toEqual([]);
    expect(await readTask(task)).toMatchObject({ worker_id: OTHER });
  });

  it("is only recorded for a task that has ended, or that somebody else holds", async () => {
    const body = retryBody(await claim(W), "network_transient", RESET);
    await wire.edge("complete_task", { task_id: task, output_location: "x" });
    expect(await askForRetry(wire, body))
      .toMatchObject({ status: 200, json: { changed: false } });
    expect(await readTask(task)).toMatchObject({ status: "Complete" });

    task = await createTask(owner);
    const theirs = retryBody(await claim(W), "network_transient", RESET);
    const key = await createToken(owner);
    const reply = await callFunction("update-task-status", theirs, { key });
    expect([reply.status, reply.json]).toMatchObject([200, { changed: false }]);
    expect(await readTask(task)).toMatchObject({ worker_id: W, attempts: 1 });
  });

  it("is a free hand-back without a reason, as ever", async () => {
    await claim(W);
    const body = { task_id: task, status: "Queued" };
    await wire.edge("update-task-status", body);
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      attempts: 0,
    });
  });
});

describe("attempts in the reply of a claim", () => {
  it("is the number of failures so far, each time the task is handed out", async () => {
    expect(await preview()).toMatchObject({ attempt: 0, attempts: 0 });
    expect(await claim(W)).toMatchObject({ attempt: 1, attempts: 0 });
    // The reply was lost: the same start again.
    expect(await claim(W)).toMatchObject({ attempt: 1, attempts: 0 });
    await askForRetry(
      wire,
      retryBody({ task_id: task }, "network_transient", RESET),
    );
    expect(await preview()).toMatchObject({ attempt: 1, attempts: 1 });
    const named = { worker_id: OTHER, run_type: "gpu", claim_id: "c-1" };
    for (let i = 0; i < 2; i++) {
      const { json } = await wire.edge("claim-next-task", named);
      expect(json).toMatchObject({ attempt: 2, attempts: 1 });
    }
    await wire.edge("update-task-status", {
      task_id: task,
      status: "In Progress",
      reset_generation_started_at: true,
    });
    // It was delivered, so this is a start of its own.
    expect(await claim(OTHER)).toMatchObject({ attempt: 3, attempts: 2 });
  });

  it("is told to a user's own machine, too", async () => {
    const key = await createToken(owner);
    const body = { worker_id: "local-worker", run_type: "gpu" };
    const reply = await callFunction("claim-next-task", body, { key });
    expect(reply.json).toMatchObject({ attempt: 1, attempts: 0 });
  });
});

async function claim(worker: string): Promise<Claimed> {
  const claimed = await claimOf(wire, worker);
  if (claimed === null) throw new Error(`Nothing for ${worker}`);
  return claimed;
}

async function preview(): Promise<unknown> {
  const body = { worker_id: OTHER, dry_run: true };
  const { json } = await wire.edge("claim-next-task", body);
  return (json as { task: unknown }).task;
}
