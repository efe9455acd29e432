/**
 * Workers from 30 March on ask for tasks of the model they have loaded with
 * every claim. No worker stands idle for it: docs/contract.md, 16.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { beatBody, curl } from "../support/beats.ts";
import { counterDrift } from "../support/drift.ts";
import { stack } from "../support/stack.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";
import { claimOfApril, taskOf, tellModel } from "./clients/claims.ts";
import { Wire } from "./clients/wire.ts";

const W = "gpu-20260411_101010-dddd0002";
const BEAT = "func_worker_heartbeat_with_logs";

let owner: Owner;
let wire: Wire;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  wire = new Wire(stack().apiUrl);
  await curl(BEAT, beatBody(W));
});

describe("a worker that has loaded a model", () => {
  beforeEach(async () => {
    expect((await tellModel(wire, W, "t2v")).status).toBe(200);
  });

  it("gets each of four tasks of other models, the oldest first, and then nothing", async () => {
    const tasks = [];
    for (let age = 4; age >= 1; age--) tasks.push(await ofModel("vace", age));

    const got = [];
    for (let i = 0; i < 4; i++) got.push(await runNext());
    expect(got).toEqual(tasks);
    expect((await claimOfApril(wire, W)).status).toBe(204);
    expect(await counterDrift()).toEqual([]);
  });

  it("gets tasks of its model and of none first, and the others after them", async () => {
    const other = await ofModel("vace", 4);
    const none = await createTask(owner, { created_at: minutesAgo(3) });
    const own = await ofModel("t2v", 2);
    expect([await runNext(), await runNext(), await runNext()])
      .toEqual([none, own, other]);
  });

  it("gets a task of another model before its own when that has waited for five minutes", async () => {
    const own = await ofModel("t2v", 1);
    const starved = await ofModel("vace", 6);
    expect([await runNext(), await runNext()]).toEqual([starved, own]);
  });

  it("gets orchestrators in their turn, whatever model their children want", async () => {
    const orchestrator = await createTask(owner, {
      task_type: "travel_orchestrator",
      created_at: minutesAgo(2),
      params: { orchestrator_details: { model_name: "vace" } },
    });
    const own = await ofModel("t2v", 1);
    expect(taskOf(await claimOfApril(wire, W))).toBe(orchestrator);
    await wire.edge("update-task-status", {
      task_id: orchestrator,
      status: "In Progress",
      output_location: "Successfully enqueued 1 new segment",
    });
    expect(await runNext()).toBe(own);
  });

  it("gets its model from another user, and from whose turn it is when nobody has it", async () => {
    const another = await createOwner();
    const other = await ofModel("vace", 2);
    const own = await ofModel("t2v", 1, another);
    expect([await runNext(), await runNext()]).toEqual([own, other]);
  });

  it("gets a task while the only one of its model is its owner's sixth", async () => {
    const busy = await createOwner({ maxInProgress: 1 });
    const own = await createTasks(busy, 2, { params: { model: "t2v" } });
    expect(own).toContain(taskOf(await claimOfApril(wire, "another-worker")));
    const other = await ofModel("vace", 1);
    expect(await runNext()).toBe(other);
  });

  it("finds what the counts and explain say that there is", async () => {
    await ofModel("vace", 1);
    const counts = await wire.edge("task-counts", {
      run_type: "gpu",
      include_active: true,
    });
    expect(counts.json).toMatchObject({
      totals: { queued_only: 1, eligible_queued: 1 },
      suggested_workers: 1,
      blocked: {},
    });
    const why = await wire.edge("explain", { worker_id: W, run_type: "gpu" });
    expect(why.json).toMatchObject({ gets_work: true, claimable: 1 });
    expect(await runNext()).not.toBeNull();
  });
});

describe("the same claim", () => {
  it("takes the line as it is while the worker's model is unknown", async () => {
    const first = await ofModel("vace", 2);
    const second = await ofModel("t2v", 1);
    expect([await runNext(), await runNext()]).toEqual([first, second]);
  });

  it("with a token takes the line as it is, whatever the fleet knows of that name", async () => {
    await tellModel(wire, W, "t2v");
    const first = await ofModel("vace", 2);
    const second = await ofModel("t2v", 1);
    const ownWire = new Wire(stack().apiUrl, await createToken(owner));
    expect([await runNext(ownWire), await runNext(ownWire)])
      .toEqual([first, second]);
  });
});

/** Claims, completes what it got, and says which task that was. */
async function runNext(by = wire): Promise<string | null> {
  const task_id = taskOf(await claimOfApril(by, W));
  if (task_id === null) return null;
  const output_location = `https://results.example/${task_id}.mp4`;
  const done = await by.edge("complete_task", { task_id, output_location });
  expect(done.status, done.text).toBe(200);
  return task_id;
}

function ofModel(
  model: string,
  age: number,
  of: Owner = owner,
): Promise<string> {
  return createTask(of, { params: { model }, created_at: minutesAgo(age) });
}

function minutesAgo(minutes: number): string {
  return new Date(Date.now() - minutes * 60_000).toISOString();
}
