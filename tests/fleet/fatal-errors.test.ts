/** A worker that gives itself up: contract 4.3, three calls in this order. */
import { beforeEach, describe, expect, it } from "vitest";
import { rest, SINGLE } from "../support/rest.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, readTask, reset, startTask } from "../support/world.ts";

const W = "gpu-20260111_120000-0a1b2c3d";
const BACK = {
  status: "Queued",
  worker_id: null,
  generation_started_at: null,
  error_details: "FATAL cuda_driver: CUDA driver error",
};

let task: string;

beforeEach(async () => {
  await reset();
  task = await createTask(await createOwner());
  const worker = { id: W, instance_type: "gpu", status: "active" };
  await rest("POST", "workers", {}, { body: { ...worker, metadata: {} } });
  await startTask(task, W);
});

describe("the fatal error handler", () => {
  it("sets its worker to error; the task is back even if it dies then", async () => {
    await giveUp();
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      worker_id: null,
    });
  });

  it("finds nothing left to requeue, and reads that as such", async () => {
    await giveUp();
    const reply = await putBack(task);
    expect([reply.status, reply.json]).toEqual([200, []]);
  });

  it("puts its task back itself when its row is gone, with its details", async () => {
    const others = { id: "eq.nobody" };
    const body = { status: "error", metadata: {} };
    const reply = await rest("PATCH", "workers", others, { body });
    expect([reply.status, reply.json]).toEqual([200, []]);
    expect((await putBack(task)).json).toMatchObject([{ id: task, ...BACK }]);
  });

  it("is told 400 about a task id that is none", async () => {
    const reply = await putBack("unknown_task_1768132800");
    expect([reply.status, reply.json]).toMatchObject([400, { code: "22P02" }]);
  });
});

async function giveUp(): Promise<void> {
  const query = { select: "id,metadata", id: `eq.${W}` };
  const { json } = await rest("GET", "workers", query, { headers: SINGLE });
  const { metadata } = json as { metadata: Record<string, unknown> };
  expect(metadata).toEqual(expect.any(Object));
  const reasons = {
    error_reason: "FATAL: CUDA driver error",
    error_time: "2026-01-11T12:00:00+00:00",
    self_terminated: true,
  };
  const reply = await rest("PATCH", "workers", { id: `eq.${W}` }, {
    body: { status: "error", metadata: { ...metadata, ...reasons } },
  });
  expect(reply.json).toMatchObject([{
    id: W,
    status: "error",
    metadata: reasons,
  }]);
}

function putBack(id: string) {
  const query = {
    id: `eq.${id}`,
    worker_id: `eq.${W}`,
    status: "eq.In Progress",
  };
  return rest("PATCH", "tasks", query, { body: BACK });
}
