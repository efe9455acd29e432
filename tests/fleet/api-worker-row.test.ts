/**
 * The row of the API orchestrator of May: one upsert, and never a beat. GPU
 * orchestrators of January to April read all rows, miss its beats and set it
 * to error, and to terminated when they clean up.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { counterDrift } from "../support/drift.ts";
import { beat } from "../support/fleet.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, readTask, reset } from "../support/world.ts";
import { registerApiWorker } from "./clients/api-worker-row.ts";

const API = "api-worker-main";
const ENDS = ["error", "terminating", "terminated"];

let owner: Owner;

beforeEach(async () => {
  await resetClock();
  await reset();
  owner = await createOwner({ maxInProgress: 50 });
  await registerApiWorker();
});
afterAll(resetClock);

describe.each(ENDS)("an orchestrator that sets it to %s", (status) => {
  it("is not believed while it runs a task, and takes nothing from it", async () => {
    await stepClock("11 minutes");
    const task = await picture();
    await claim();
    const reply = await setAside(status);
    expect([reply.status, reply.json])
      .toMatchObject([200, [{ id: API, status: "active" }]]);
    expect(await readTask(task))
      .toMatchObject({ status: "In Progress", attempts: 1 });
    await picture();
    expect((await claim()).status).toBe(200);
    expect(await counterDrift()).toEqual([]);
  });

  it("is not believed while it completes tasks", async () => {
    await stepClock("11 minutes");
    const task = await picture();
    await claim();
    await complete(task);
    await stepClock("6 minutes");
    await setAside(status);
    expect((await claim()).status).toBe(204);
  });

  it("is not believed once it is kept, however often and however idle", async () => {
    await keep();
    for (let cycle = 1; cycle <= 3; cycle++) {
      await stepClock("11 minutes");
      expect((await setAside(status)).json)
        .toMatchObject([{ id: API, status: "active" }]);
      const task = await picture();
      expect((await claim()).json).toMatchObject({ task_id: task });
      await complete(task);
    }
  });

  it("while it is idle, however often, keeps it from one claim and no more", async () => {
    for (const cycle of ["first", "repeated", "after a lost reply"]) {
      await stepClock("11 minutes");
      expect((await setAside(status)).status, cycle).toBe(200);
    }
    const task = await picture();
    expect((await claim()).status).toBe(409);
    expect((await claim()).json).toMatchObject({ task_id: task });
    expect(await worker()).toMatchObject({ status: "active" });
  });

  it("is told so by worker-health, and what it said is kept", async () => {
    await keep();
    await setAside(status);
    const row = await worker();
    expect(row.metadata["not_believed"])
      .toMatchObject({ status, reason: "No heartbeat or activity" });
    expect(row.metadata).not.toHaveProperty("error_reason");
    const { json } = await callFunction("worker-health", {}, {
      key: stack().serviceRoleKey,
    });
    expect(json).toMatchObject({
      workers: [{
        worker_id: API,
        status: "active",
        reason: expect.stringContaining("not believed: No heartbeat"),
      }],
    });
  });
});

it("set to error, and cleaned up ten minutes later, it is there again after one refused claim", async () => {
  for (const word of ["error", "terminated"]) {
    await stepClock("11 minutes");
    await setAside(word);
  }
  const task = await picture();
  expect((await claim()).status).toBe(409);
  expect((await claim()).json).toMatchObject({ task_id: task });
  expect(await worker()).toMatchObject({ status: "active" });
});

it("one command brings it back, and it stays", async () => {
  await stepClock("11 minutes");
  await setAside("terminated");
  expect((await claim()).status).toBe(409);
  expect((await keep()).json).toMatchObject({ status: "active" });
  await setAside("terminated");
  expect((await claim()).status).toBe(204);
  await keep(false);
  await setAside("terminated");
  expect((await claim()).status).toBe(409);
});

it("it still ends by its own word, kept or not", async () => {
  await keep();
  const task = await picture();
  await claim();
  await setAside("error", { self_terminated: true });
  await setAside("terminated", { self_terminated: true });
  expect(await worker()).toMatchObject({ status: "terminated" });
  for (const _ of [1, 2]) expect((await claim()).status).toBe(409);
  expect(await readTask(task)).toMatchObject({ status: "Queued", attempts: 1 });
  await registerApiWorker();
  await beat(API, [], "crashed");
  expect(await worker()).toMatchObject({ status: "crashed" });
});

it("a beat before or after what was said changes nothing of it", async () => {
  await picture();
  await claim();
  await beat(API);
  await setAside("error");
  expect(await worker()).toMatchObject({ status: "active" });
  await beat(API);
  expect(await worker()).toMatchObject({ status: "active" });
});

it("a gpu machine that claims and is set to error is set aside as ever", async () => {
  await createTask(owner);
  await beat("g1");
  const body = { worker_id: "g1", run_type: "gpu" };
  const key = stack().serviceRoleKey;
  await callFunction("claim-next-task", body, { key });
  const error = { status: "error", metadata: { error_reason: "stuck" } };
  await rest("PATCH", "workers", { id: "eq.g1" }, { body: error });
  expect(await worker("g1")).toMatchObject({ status: "error" });
});

function setAside(status: string, more: Record<string, unknown> = {}) {
  const metadata = {
    type: "api_orchestrator",
    orchestrator_status: status,
    error_reason: "No heartbeat or activity",
    error_time: new Date().toISOString(),
    ...more,
  };
  const body = { status, metadata };
  return rest("PATCH", "workers", { id: `eq.${API}` }, { body });
}

function keep(p_keep = true) {
  return callRpc("keep_worker", { p_worker_id: API, p_keep }, {
    headers: { apikey: stack().serviceRoleKey },
  });
}

function picture(): Promise<string> {
  return createTask(owner, { task_type: "z_image_turbo" });
}

function claim() {
  const body = { worker_id: API, run_type: "api" };
  return callFunction("claim-next-task", body, { key: stack().serviceRoleKey });
}

function complete(task_id: string) {
  const body = { task_id, output_location: "https://example.com/a.png" };
  return callFunction("complete-task", body, { key: stack().serviceRoleKey });
}

async function worker(id = API) {
  const query = { select: "*", id: `eq.${id}` };
  const { json } = await rest("GET", "workers", query, { headers: SINGLE });
  return json as { status: string; metadata: Record<string, unknown> };
}
