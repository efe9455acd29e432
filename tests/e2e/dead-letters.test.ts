import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { callRpc } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

let owner: Owner;
let task_id: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task_id = await createTask(owner);
  await startTask(task_id);
});

describe("requeue_tasks over the Data API", () => {
  beforeEach(() =>
    admin()`
      update public.tasks
      set status = 'Failed', error_message = 'boom'
      where id = ${task_id}
    `
  );

  it("puts a dead letter back for the service key", async () => {
    const reply = await callRpc("requeue_tasks", {
      p_task_ids: [task_id],
      p_reason: "fixed",
    }, { key: stack().serviceRoleKey });
    expect(reply.json).toMatchObject({ requeued: 1, task_ids: [task_id] });
    expect(await readTask(task_id)).toMatchObject({
      status: "Queued",
      standing: "ready",
    });
    expect(await counterDrift()).toEqual([]);
  });

  it("is closed to everybody else", async () => {
    const keys = [stack().anonKey, await userJwt(owner.id)];
    for (const key of keys) {
      const reply = await callRpc("requeue_tasks", { p_task_ids: [task_id] }, {
        key,
      });
      expect([401, 403]).toContain(reply.status);
    }
    expect((await readTask(task_id))["status"]).toBe("Failed");
  });
});

describe("repair_generations over the Data API", () => {
  it("records what was never recorded", async () => {
    await admin()`
      update public.tasks
      set status = 'Complete', output_location = 'https://files/a.mp4'
      where id = ${task_id}
    `;
    await admin()`delete from public.generations where task_id = ${task_id}`;
    const reply = await callRpc("repair_generations", {}, {
      key: stack().serviceRoleKey,
    });
    expect(reply.json).toMatchObject({ missing: 1, task_ids: [task_id] });
    const found = await admin()`
      select location from public.generations where task_id = ${task_id}
    `;
    expect(found).toEqual([{ location: "https://files/a.mp4" }]);
  });
});
