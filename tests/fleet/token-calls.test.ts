/**
 * Machines of users that never beat: whatever call names their task is a sign
 * of life for it, also one that only reads.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { runJob } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { userJwt } from "../support/tokens.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

let owner: Owner;
let token: string;

beforeEach(async () => {
  await resetClock();
  await reset();
  owner = await createOwner();
  token = await createToken(owner);
});
afterAll(resetClock);

describe("a machine that never beats", () => {
  it("is missed after 58 minutes without a call about its task", async () => {
    const task = await held();
    await stepClock("57 minutes");
    await runJob("rescue");
    expect((await readTask(task))["status"]).toBe("In Progress");
    await stepClock("2 minutes");
    await runJob("rescue");
    expect((await readTask(task))["status"]).toBe("Queued");
  });

  it.each<[string, (task_id: string) => object]>([
    ["update-task-status", (task_id) => ({ task_id, status: "In Progress" })],
    ["get-task-status", (task_id) => ({ task_id })],
    ["get-task-output", (task_id) => ({ task_id })],
    ["get-predecessor-output", (task_id) => ({ task_id })],
    ["get-orchestrator-children", (id) => ({ orchestrator_task_id: id })],
    ["explain", (task_id) => ({ task_id })],
    ["generate-upload-url", (task_id) => ({
      task_id,
      filename: "a.jpg",
      content_type: "image/jpeg",
    })],
  ])("lives when %s names its task", async (name, body) => {
    const task = await held();
    await stepClock("57 minutes");
    const reply = await callFunction(name, body(task), { key: token });
    expect(reply.status, reply.text).toBe(200);
    // What only reads is noted after the reply.
    await expect.poll(async () => {
      const { seen_at, reported_at } = await readTask(task);
      return seen_at ?? reported_at;
    }, { timeout: 30_000 }).not.toBeNull();
    await stepClock("57 minutes");
    await runJob("rescue");
    expect(await readTask(task)).toMatchObject({
      status: "In Progress",
      attempts: 1,
    });
  });

  it("does not live because somebody else asks about its task", async () => {
    const task = await held();
    await stepClock("57 minutes");
    const another = await createToken(owner);
    for (const key of [another, await userJwt(owner.id)]) {
      await callFunction("get-task-status", { task_id: task }, { key });
    }
    await stepClock("2 minutes");
    await runJob("rescue");
    expect((await readTask(task))["status"]).toBe("Queued");
  });
});

async function held(): Promise<string> {
  const id = await createTask(owner);
  const body = { worker_id: "my-laptop", run_type: "gpu" };
  const reply = await callFunction("claim-next-task", body, { key: token });
  expect(reply.json, reply.text).toMatchObject({ task_id: id });
  return id;
}
