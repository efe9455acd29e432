/**
 * A claim whose reply was lost and that had handed out an orchestrator: workers
 * since 18 March leave that to the server (docs/fleet.md). It comes back with
 * the next claim, as the task of a slot does, and costs no start.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { ClaimedTask } from "../../shared/claim.ts";
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
import { Wire } from "./clients/wire.ts";

const W = "gpu-20260411_101010-dddd0002";
const APRIL = { same_model_only: true, max_task_wait_minutes: 5 };

let owner: Owner;
let orchestrator: string;
let wire: Wire;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  orchestrator = await createTask(owner, { task_type: "travel_orchestrator" });
  wire = new Wire(stack().apiUrl);
  await beat(W);
});

describe("an orchestrator whose claim got no reply", () => {
  it.each<[string, () => Promise<string | undefined>]>([
    ["a worker of the fleet", () => Promise.resolve(undefined)],
    ["a worker with a model loaded", async () => {
      const body = { worker_id: W, current_model: "t2v" };
      await wire.edge("update-worker-model", body);
      return undefined;
    }],
    ["a user's machine with a name", () => createToken(owner)],
  ])("comes back to %s, as the same start", async (_who, keyOf) => {
    const key = await keyOf();
    const first = await claim(key);
    for (let i = 1; i <= 3; i++) {
      const again = await claim(key);
      expect(again).toMatchObject({
        task_id: orchestrator,
        attempt: 1,
        attempts: 0,
      });
      expect(again?.lease_token).not.toBe(first?.lease_token);
      expect(await readTask(orchestrator)).toMatchObject({
        attempts: 1,
        uncounted_releases: i,
      });
    }
    expect((await storyOf(orchestrator)).at(-1))
      .toBe("In Progress -> In Progress: handed out again, the reply was lost");
  });

  it("is an attempt each time once it was returned uncounted ten times", async () => {
    for (let i = 0; i <= 10; i++) await claim();
    expect(await claim()).toMatchObject({ attempt: 2 });
  });

  it("counts as lost also while a child of an earlier start is there", async () => {
    await claim();
    await enqueueChild();
    await wire.edge("update-task-status", {
      task_id: orchestrator,
      status: "Queued",
      attempts: 1,
      error_details: "Retry 1 (network_transient): reset by peer",
      clear_worker: true,
    });
    expect((await claim())?.task_id).toBe(orchestrator);
    expect((await claim())?.task_id).toBe(orchestrator);
  });
});

describe("an orchestrator that its worker has had", () => {
  it.each<[string, () => Promise<unknown>]>([
    ["reported", () =>
      wire.edge("update-task-status", {
        task_id: orchestrator,
        status: "In Progress",
        output_location: "Planning",
      })],
    ["enqueued a child", () => enqueueChild()],
    [
      "logged",
      () => beat(W, [{ message: "planning", task_id: orchestrator }]),
    ],
  ])("and %s does not come back: the next task does", async (_what, word) => {
    await claim();
    await word();
    const next = await createTask(owner, { priority: 9 });
    expect((await claim())?.task_id).toBe(next);
    expect(await readTask(orchestrator)).toMatchObject({
      status: "In Progress",
      attempts: 1,
    });
  });

  it("under a name that several share is another machine's", async () => {
    const body = { worker_id: "local-worker", run_type: "gpu" };
    expect((await wire.edge("claim-next-task", body)).status).toBe(200);
    expect((await wire.edge("claim-next-task", body)).status).toBe(204);
  });
});

async function claim(
  key = stack().serviceRoleKey,
): Promise<ClaimedTask | null> {
  const body = { worker_id: W, run_type: "gpu", ...APRIL };
  const reply = await callFunction("claim-next-task", body, { key });
  if (reply.status === 204) return null;
  expect(reply.status, reply.text).toBe(200);
  return ClaimedTask.parse(reply.json);
}

async function enqueueChild(): Promise<void> {
  const input = {
    orchestrator_task_id_ref: orchestrator,
    segment_index: 0,
    task_id: crypto.randomUUID(),
    dependant_on: null,
  };
  const reply = await wire.edge("create-task", {
    family: "travel_segment",
    project_id: owner.projectId,
    input,
  });
  expect(reply.status).toBe(200);
}
