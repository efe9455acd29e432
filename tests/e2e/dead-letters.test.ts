import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { callRpc } from "../support/http.ts";
import { rest } from "../support/rest.ts";
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
      readiness: "ready",
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
  const repair = (body: object) =>
    callRpc("repair_generations", body, { key: stack().serviceRoleKey });
  const locations = () =>
    admin()`select location from public.generations where task_id = ${task_id}`;

  beforeEach(async () => {
    await admin()`
      update public.tasks
      set status = 'Complete', output_location = 'https://files/a.mp4'
      where id = ${task_id}
    `;
  });

  it("records what was never recorded", async () => {
    await admin()`delete from public.generations where task_id = ${task_id}`;
    await admin()`update public.tasks set generation_created = false where id = ${task_id}`;
    expect((await repair({})).json)
      .toMatchObject({ missing: 1, task_ids: [task_id], doubtful_ids: [] });
    expect(await locations()).toEqual([{ location: "https://files/a.mp4" }]);
  });

  it("does not bring back what the app deleted, unless it is named", async () => {
    const query = { task_id: `eq.${task_id}` };
    await rest("DELETE", "generations", query, {});
    expect((await repair({})).json)
      .toMatchObject({ missing: 0, task_ids: [], doubtful_ids: [task_id] });
    expect(await locations()).toEqual([]);
    expect((await repair({ p_task_ids: [task_id] })).json)
      .toMatchObject({ missing: 1, task_ids: [task_id] });
    expect(await locations()).toEqual([{ location: "https://files/a.mp4" }]);
  });

  it("does not overwrite what the app moved, unless it is named", async () => {
    const query = { task_id: `eq.${task_id}` };
    const moved = { location: "https://archive/a.mp4" };
    await rest("PATCH", "generations", query, { body: moved });
    expect((await repair({})).json)
      .toMatchObject({ torn: 0, task_ids: [], doubtful_ids: [task_id] });
    expect(await locations()).toEqual([moved]);
    expect((await repair({ p_task_ids: [task_id] })).json)
      .toMatchObject({ torn: 1, task_ids: [task_id] });
    expect(await locations()).toEqual([{ location: "https://files/a.mp4" }]);
  });
});
