/**
 * An operator changes the pool of a type while tasks of it run: whoever has one
 * goes on, and what goes back is for the workers of the new pool.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { beat, runJob, storyOf } from "../support/fleet.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { RESET_OF_ORPHANS } from "../support/resets.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, readTask, reset } from "../support/world.ts";
import { claimOfApril, taskOf } from "./clients/claims.ts";
import { Wire } from "./clients/wire.ts";

const TYPE = "type_of_a_running_test";
const API = "api-worker-main";
const POOLS = ["gpu", "api", "banodoco"] as const;
type Pool = typeof POOLS[number];

let owner: Owner;
let wire: Wire;

beforeEach(async () => {
  await forget();
  await reset();
  owner = await createOwner({ maxInProgress: 300 });
  wire = new Wire(stack().apiUrl);
});
afterEach(async () => {
  await resetClock();
  await reset();
  await forget();
});

describe("a gpu type that becomes an api type", () => {
  it("is handed again to the worker whose reply was lost, and completed", async () => {
    const [task, other] = await claimedByGpu();
    await setPool("api");
    expect(taskOf(await claimOfApril(wire, "g1"))).toBe(task);
    expect((await claim(API, "api")).status).toBe(204);
    await complete(task);
    expect(await readTask(task))
      .toMatchObject({ status: "Complete", attempts: 1, worker_id: "g1" });
    expect(taskOf(await claimOfApril(wire, "g1"))).toBe(other);
    expect(await counterDrift()).toEqual([]);
  });

  it("goes to an api worker when its gpu worker has fallen silent", async () => {
    const [task, other] = await claimedByGpu();
    await setPool("api");
    await stepClock("101 seconds");
    await runJob("rescue");
    expect((await storyOf(task)).at(-1)).toContain("worker g1");
    expect(taskOf(await claimOfApril(wire, "g2"))).toBe(other);
    expect((await claim(API, "api")).json).toMatchObject({ task_id: task });
    expect(await counterDrift()).toEqual([]);
  });

  it("never delivered, it is requeued although its worker sends heartbeats", async () => {
    const [task] = await claimedByGpu();
    await setPool("api");
    for (let minute = 1; minute <= 16; minute++) {
      await stepClock("1 minute");
      await beat("g1");
    }
    await runJob("rescue");
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      attempts: 0,
      pool: "api",
    });
  });

  async function claimedByGpu(): Promise<[string, string]> {
    const task = await createTask(owner, { task_type: TYPE });
    const other = await createTask(owner);
    await beat("g1");
    expect(taskOf(await claimOfApril(wire, "g1"))).toBe(task);
    return [task, other];
  }
});

describe("an api type that becomes a gpu type", () => {
  let task: string;

  beforeEach(async () => {
    await setPool("api");
    task = await createTask(owner, { task_type: TYPE });
    await claim(API, "api");
    await setPool("gpu");
  });

  it("stays with the api worker, which sends no beats, and is done once", async () => {
    await stepClock("3 minutes");
    await runJob("rescue");
    expect(await readTask(task))
      .toMatchObject({ status: "In Progress", worker_id: API });
    expect(taskOf(await claimOfApril(wire, "g1"))).toBeNull();
    await complete(task);
    expect(await readTask(task))
      .toMatchObject({ status: "Complete", attempts: 1 });
  });

  it("goes to a gpu worker after the silence of an api worker", async () => {
    await stepClock("8 minutes");
    await runJob("rescue");
    expect((await storyOf(task)).at(-1)).toContain("gave no sign for");
    expect((await claim(API, "api")).status).toBe(204);
    expect(taskOf(await claimOfApril(wire, "g1"))).toBe(task);
    expect(await counterDrift()).toEqual([]);
  });
});

describe.each(
  POOLS.flatMap((from) =>
    POOLS.filter((to) => to !== from).map((to) => ({ from, to }))
  ),
)("a type that goes from $from to $to", ({ from, to }) => {
  it("is counted where it runs, and after a reset where it belongs", async () => {
    await setPool(from);
    const task = await createTask(owner, { task_type: TYPE });
    await claim("w1", from);
    await setPool(to);
    expect([await active(from), await active(to)]).toEqual([1, 0]);
    expect((await explain(task)).json).toMatchObject({ pool: from });
    await setPool(from);
    await setPool(to);
    const body = RESET_OF_ORPHANS;
    await rest("PATCH", "tasks", { id: `in.(${task})` }, { body });
    expect((await explain(task)).json)
      .toMatchObject({ pool: to, claimable: true });
    expect([await active(from), await active(to)]).toEqual([0, 0]);
    expect((await claim("w1", from)).status).toBe(204);
    expect((await claim("w2", to)).json).toMatchObject({ task_id: task });
    expect(await counterDrift()).toEqual([]);
  });
});

it("of many, those that run are left and all others follow", async () => {
  await createTasks(owner, 150, { task_type: TYPE });
  for (const worker of ["g1", "g2", "g3"]) await claimOfApril(wire, worker);
  await setPool("api");
  for (let piece = 1; piece <= 3; piece++) {
    await admin()`select fairlane_core.settle_deferred()`;
  }
  expect(
    await admin()`
      select status, pool, count(*)::int from public.tasks
      group by 1, 2 order by 1
    `,
  ).toEqual([
    { status: "In Progress", pool: "gpu", count: 3 },
    { status: "Queued", pool: "api", count: 147 },
  ]);
  expect(await admin()`select from fairlane_core.deferred_work`).toHaveLength(
    0,
  );
  expect(await counterDrift()).toEqual([]);
});

it("a dead letter that is requeued after the change goes to the new pool", async () => {
  const task = await createTask(owner, { task_type: TYPE });
  await claimOfApril(wire, "g1");
  await wire.edge("update-task-status", {
    task_id: task,
    status: "Failed",
    output_location: "unknown task type",
  });
  await setPool("api");
  const requeued = await rpc("requeue_tasks", { p_task_ids: [task] });
  expect(requeued.json).toMatchObject({ requeued: 1 });
  expect(taskOf(await claimOfApril(wire, "g1"))).toBeNull();
  expect((await claim(API, "api")).json).toMatchObject({ task_id: task });
  expect(await counterDrift()).toEqual([]);
});

it("a running task whose own type is changed is its worker's all the same", async () => {
  const task = await createTask(owner);
  await beat("g1");
  expect(taskOf(await claimOfApril(wire, "g1"))).toBe(task);
  const body = { task_type: "qwen_image" };
  const patched = await rest("PATCH", "tasks", { id: `eq.${task}` }, { body });
  expect([patched.status, patched.json])
    .toMatchObject([200, [{ id: task, task_type: "qwen_image" }]]);
  expect(await readTask(task)).toMatchObject({
    ...{ status: "In Progress", worker_id: "g1", attempts: 1 },
    ...{ task_type: "qwen_image", pool: "gpu" },
  });
  expect(taskOf(await claimOfApril(wire, "g1"))).toBe(task);
  expect(await counterDrift()).toEqual([]);
});

async function setPool(pool: Pool): Promise<void> {
  const reply = await rpc("set_task_type", {
    p_name: TYPE,
    p_changes: { pool },
  });
  expect(reply.status, reply.text).toBe(200);
}

function rpc(name: string, body: Record<string, unknown>) {
  return callRpc(name, body, { headers: { apikey: stack().serviceRoleKey } });
}

function claim(worker: string, pool: Pool) {
  return wire.edge("claim-next-task", { worker_id: worker, run_type: pool });
}

async function complete(task: string): Promise<void> {
  const body = { task_id: task, output_location: "https://example.com/o.png" };
  expect((await wire.edge("complete_task", body)).status).toBe(200);
}

function explain(task: string) {
  return callFunction("explain", { task_id: task }, {
    key: stack().serviceRoleKey,
  });
}

async function active(pool: Pool): Promise<number> {
  const { json } = await wire.edge("task-counts", { run_type: pool });
  return (json as { totals: { active_only: number } }).totals.active_only;
}

async function forget(): Promise<void> {
  await admin()`delete from public.task_types where name = ${TYPE}`;
}
