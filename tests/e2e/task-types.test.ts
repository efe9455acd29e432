/** What operators say of types, and what the queue asks them about. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HealthReply } from "../../shared/health.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { holdTasks, isOpen } from "../support/holding.ts";
import { callFunction, callRpc, type Reply } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

const TYPE = "sharpen_of_a_test";

let owner: Owner;

async function forget(): Promise<void> {
  await admin()`delete from public.task_types where name = ${TYPE}`;
}

beforeEach(async () => {
  await forget();
  await reset();
  owner = await createOwner({ maxInProgress: 50 });
});

afterEach(async () => {
  await resetClock();
  await reset();
  await forget();
});

describe("set_task_type over the Data API", () => {
  it("adds a type while tasks of it are queued, and claims obey it", async () => {
    const ids = await createTasks(owner, 150, { task_type: TYPE });
    const reply = await setType({ pool: "api", creates_generation: true });
    expect([reply.status, reply.json]).toMatchObject([200, {
      name: TYPE,
      change: "added",
      before: null,
      type: { pool: "api", creates_generation: true },
      is_settled: false,
    }]);
    expect((await claim("gpu")).status).toBe(204);
    const claimed = (await claim("api")).json as { task_id: string };
    expect(ids).toContain(claimed.task_id);
    expect(await counterDrift()).toEqual([]);
  });

  it("waits for no holder of its tasks, and such a task follows", async () => {
    const [held = "", free = ""] = await createTasks(owner, 2, {
      task_type: TYPE,
    });
    const holder = await holdTasks(held);
    try {
      const reply = await setType({ pool: "api" });
      expect([reply.status, reply.json])
        .toMatchObject([200, { is_settled: false }]);
      expect(await isOpen(holder)).toBe(true);
      expect((await claim("gpu")).status).toBe(204);
      expect((await claim("api")).json).toMatchObject({ task_id: free });
    } finally {
      await holder`rollback`;
      await holder.end();
    }
    expect((await claim("gpu")).status).toBe(204);
    await admin()`select fairlane_core.settle_deferred()`;
    expect((await claim("api")).json).toMatchObject({ task_id: held });
    expect(await counterDrift()).toEqual([]);
  });

  it.each([
    [{ pool: "cpu" }, "pool"],
    [{ timeout_seconds: -1 }, "timeout_seconds"],
    [{ colour: "red" }, "colour"],
    [{ category: "orchestration", creates_generation: true }, "orchestration"],
  ])("refuses %j and changes nothing", async (changes, word) => {
    const reply = await setType(changes);
    expect([reply.status, reply.json]).toMatchObject([400, {
      details: "INVALID_ARGUMENT",
      message: expect.stringContaining(word),
    }]);
    expect(
      await admin()`
      select from public.task_types where name = ${TYPE}
    `,
    ).toHaveLength(0);
  });

  it("is closed to everybody without the service key", async () => {
    for (const key of [stack().anonKey, await userJwt(owner.id)]) {
      const set = await setType({ pool: "api" }, key);
      const listed = await callRpc("unknown_task_types", {}, { key });
      expect([401, 403]).toContain(set.status);
      expect([401, 403]).toContain(listed.status);
    }
  });
});

describe("a type without a row", () => {
  it("is listed with what it was taken for, and health warns of it", async () => {
    const id = await createTask(owner, { task_type: TYPE });
    await stepClock("2 minutes");
    await admin()`select fairlane_core.sweep()`;
    const { json } = await list();
    expect(json).toMatchObject({
      types: [{
        name: TYPE,
        task_count: 1,
        taken_for: {
          pool: "gpu",
          category: "processing",
          creates_generation: false,
        },
        hint: expect.stringContaining(`public.set_task_type('${TYPE}'`),
      }],
    });
    expect(await readTask(id)).toMatchObject({ pool: "gpu", takes_slot: true });
    const said = await notices();
    expect(said).toEqual([{
      code: "UNKNOWN_TASK_TYPE",
      message: expect.stringContaining(`${TYPE} (1, last at`),
    }]);
    expect(said[0]?.message).not.toContain("\n");

    await setType({});
    expect((await list()).json).toMatchObject({ types: [] });
    expect(await notices()).toEqual([]);
  });
});

function setType(changes: object, key = stack().serviceRoleKey) {
  const body = { p_name: TYPE, p_changes: changes };
  return callRpc("set_task_type", body, { key });
}

function list(): Promise<Reply> {
  const key = stack().serviceRoleKey;
  return callRpc("unknown_task_types", {}, { key });
}

async function notices() {
  const key = stack().serviceRoleKey;
  const { json } = await callFunction("health", {}, { key });
  return HealthReply.parse(json).notices
    .filter(({ code }) => code === "UNKNOWN_TASK_TYPE");
}

function claim(run_type: string): Promise<Reply> {
  const worker_id = `worker-${crypto.randomUUID()}`;
  const body = { worker_id, run_type };
  return callFunction("claim-next-task", body, { key: stack().serviceRoleKey });
}
