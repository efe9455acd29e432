import { beforeEach, describe, expect, it } from "vitest";
import { CancelTasksReply } from "../../shared/cancel-tasks.ts";
import { countByState } from "../support/crowd.ts";
import { admin, adminConnection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createTasks,
  createToken,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import { childOf } from "../support/fleet-words.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("cancel-tasks", () => {
  it("comes to the end of many, a thousand a call", async () => {
    await createTasks(owner, 2500);
    await createTasks(owner, 3, { task_type: "another" });
    const key = await userJwt(owner.id);
    const body = { task_type: "clip", reason: "wrong model" };
    expect(await cancel(body, key)).toEqual(
      { cancelled: 1000, passed_over: 0, has_more: true },
    );
    expect((await cancel(body, key)).cancelled).toBe(1000);
    expect(await cancel(body, key)).toEqual(
      { cancelled: 500, passed_over: 0, has_more: false },
    );
    expect((await cancel(body, key)).cancelled).toBe(0);
    expect(await countByState()).toEqual({
      Cancelled: 2500,
      "Queued ready": 3,
    });
    expect(await counterDrift()).toEqual([]);
  });

  it("cancels a caller's own tasks only", async () => {
    const stranger = await createOwner();
    const foreign = await createTask(stranger);
    const own = await createTask(owner);
    const body = { task_ids: [own, foreign], user_id: owner.id };
    const key = await createToken(owner);
    expect((await cancel(body, key)).cancelled).toBe(1);
    expect((await cancel({ user_id: stranger.id }, key)).cancelled).toBe(0);
    expect((await readTask(foreign))["status"]).toBe("Queued");
    const [told] = await admin()`
      select actor, reason from public.task_events
      where task_id = ${own} order by id desc limit 1
    `;
    expect(told).toEqual({
      actor: expect.stringMatching(/^token:/),
      reason: "Cancelled on request",
    });
  });

  it("cancels those of everybody for an operator", async () => {
    const stranger = await createOwner();
    await createTasks(owner, 2, { task_type: "withdrawn" });
    await createTasks(stranger, 2, { task_type: "withdrawn" });
    const running = await createTask(owner, { task_type: "withdrawn" });
    await startTask(running);
    const key = stack().serviceRoleKey;
    const body = { task_type: "withdrawn" };
    expect((await cancel(body, key)).cancelled).toBe(4);
    expect((await cancel({ ...body, status: "In Progress" }, key)).cancelled)
      .toBe(1);
  });

  it("cancels by project, orchestrator and age", async () => {
    const orchestrator = await createTask(owner, {
      task_type: "film_orchestrator",
    });
    await createTasks(owner, 2, {
      params: childOf(orchestrator),
    });
    await createTask(owner, { created_at: "2026-01-01T00:00:00Z" });
    const key = stack().serviceRoleKey;
    expect(
      (await cancel({ orchestrator_task_id: orchestrator }, key)).cancelled,
    )
      .toBe(2);
    const age = { created_before: "2026-02-01T00:00:00Z" };
    expect((await cancel(age, key)).cancelled).toBe(1);
    expect((await cancel({ project_id: owner.projectId }, key)).cancelled)
      .toBe(1);
  });

  it("leaves alone what somebody is changing, and says so", async () => {
    const [held] = await createTasks(owner, 2);
    const other = adminConnection();
    await other`begin`;
    await other`select from public.tasks where id = ${held!} for update`;
    const reply = await cancel({ status: "Queued" }, await userJwt(owner.id));
    await other`rollback`;
    expect(reply).toMatchObject({ cancelled: 1, passed_over: 1 });
  });

  it("cancels nothing by mistake", async () => {
    await createTask(owner);
    const key = stack().serviceRoleKey;
    expectError(
      await callFunction("cancel-tasks", {}, { key }),
      "INVALID_ARGUMENT",
    );
    const unknown = { p_filter: { taks_type: "clip" } };
    const reply = await callRpc("cancel_tasks", unknown, { key });
    expect(reply.json).toMatchObject({ details: "INVALID_ARGUMENT" });
    const asUser = await callRpc("cancel_tasks", unknown, {
      key: await userJwt(owner.id),
    });
    expect([401, 403]).toContain(asUser.status);
    expect(await countByState()).toEqual({ "Queued ready": 1 });
  });
});

async function cancel(body: unknown, key: string): Promise<CancelTasksReply> {
  const reply = await callFunction("cancel-tasks", body, { key });
  return expectOk(reply, CancelTasksReply);
}
