import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createTasks,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});
afterEach(() => pause([]));

describe("a pool that is paused", () => {
  it("gives no claim a task, counts none, and says why", async () => {
    const [task_id] = await createTasks(owner, 7);
    await createTask(owner, { task_type: "api-type" });
    await pause(["gpu"]);
    expect(await claim("gpu")).toBe(204);
    expect(await claim("gpu", await createToken(owner))).toBe(204);
    const gpu = await counts({ run_type: "gpu" });
    expect(gpu.totals.queued_only).toBe(0);
    expect(gpu.blocked).toEqual({ pool_paused: gpuTasks });
    expect(gpu.queued_tasks).toEqual([]);
    expect(gpu.suggested_workers).toBe(0);
    expect(gpu.users).toMatchObject([{ blocked_by: "pool_paused" }]);
    const all = await counts({});
    expect(all.totals.queued_only).toBe(0);
    const explained = await call("explain", { task_id });
    expect(explained.json).toMatchObject({
      reason: "pool_paused",
      claimable: false,
    });
    await pause([]);
    expect(await claim("gpu")).toBe(200);
  });

  it("leaves the other one alone, over both of one owner", async () => {
    await admin()`
      insert into public.task_types (name, run_type)
      values ('of-the-api-pool', 'api') on conflict do nothing
    `;
    await createTasks(owner, 2);
    await createTasks(owner, 3, { task_type: "of-the-api-pool" });
    await pause(["gpu"]);
    const both = await counts({});
    expect(both.totals.queued_only).toBe(3);
    expect(both.blocked).toEqual({ pool_paused: 2 });
    expect(await claim("gpu")).toBe(204);
    expect(await claim("api")).toBe(200);
    await admin()`delete from public.task_types where name = 'of-the-api-pool'`;
  });

  it("lets what runs go on: its worker gets it back", async () => {
    const task_id = await createTask(owner);
    await startTask(task_id, "worker-1");
    await pause(["gpu"]);
    const { json } = await call("claim-next-task", { worker_id: "worker-1" });
    expect(json).toMatchObject({ task_id });
    const done = { task_id, output_location: "https://files.test/a.mp4" };
    expect((await call("complete-task", done)).status).toBe(200);
  });

  it("is one of two", async () => {
    await expect(pause(["cpu"])).rejects.toThrow(/paused_pools_are_pools/);
  });
});

/** Seven, and the one whose type nobody knows. */
const gpuTasks = 8;

interface Counts {
  readonly totals: { readonly queued_only: number };
  readonly blocked: Readonly<Record<string, number>>;
  readonly queued_tasks: readonly unknown[];
  readonly users: readonly unknown[];
  readonly suggested_workers: number | null;
}

async function pause(pools: readonly string[]): Promise<void> {
  await admin()`
    update fairlane_core.settings set paused_pools = ${[...pools]}::text[]
  `;
}

function call(name: string, body: unknown, key = stack().serviceRoleKey) {
  return callFunction(name, body, { key });
}

async function claim(run_type: string, key?: string): Promise<number> {
  const body = { worker_id: "worker-of-a-test", run_type };
  return (await call("claim-next-task", body, key)).status;
}

async function counts(body: unknown): Promise<Counts> {
  return (await call("task-counts", body)).json as Counts;
}
