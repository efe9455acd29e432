import { beforeEach, describe, expect, it } from "vitest";
import { UpdateStatusReply } from "../../shared/update-status.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createToken,
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

describe("update-task-status", () => {
  it("takes In Progress for a task in progress, again and again", async () => {
    const text = "[IDEMPOTENT] 3 segments are there already";
    for (
      const output_location of ["Successfully enqueued 3 segments", text, text]
    ) {
      const reply = await update({ status: "In Progress", output_location });
      expect(expectOk(reply, UpdateStatusReply).output_location).toBe(
        output_location,
      );
    }
    expect(await readTask(task_id)).toMatchObject({
      status: "In Progress",
      output_location: text,
      worker_id: "worker-of-a-test",
      attempts: 1,
    });
  });

  it("starts the billing anew when asked to", async () => {
    await admin()`
      update public.tasks set generation_started_at = '2026-01-01T00:00:00Z'
      where id = ${task_id}
    `;
    await update({ status: "In Progress" });
    const before = await readTask(task_id);
    expect(before["generation_started_at"]).toEqual(
      new Date("2026-01-01T00:00:00Z"),
    );
    await update({ status: "In Progress", reset_generation_started_at: true });
    const after = await readTask(task_id);
    expect(Number(after["generation_started_at"])).toBeGreaterThan(
      Date.now() - 60_000,
    );
  });

  it("completes with its generation, like complete-task", async () => {
    const reply = await update({ status: "Complete" });
    expect(expectOk(reply, UpdateStatusReply).status).toBe("Complete");
    const generations = await admin()`
      select from public.generations where task_id = ${task_id}
    `;
    expect(generations).toHaveLength(1);
  });

  it("hands a task back", async () => {
    const reply = await update({ status: "Queued" });
    expect(expectOk(reply, UpdateStatusReply).status).toBe("Queued");
    expect(await readTask(task_id)).toMatchObject({
      worker_id: null,
      lease_token: null,
    });
  });

  it.each([
    ["Complete", "In Progress"],
    ["Complete", "Queued"],
    ["Failed", "In Progress"],
    ["Failed", "Queued"],
    ["Cancelled", "In Progress"],
    ["Complete", "Cancelled"],
  ])("refuses %s to %s with 409 and both states", async (from, to) => {
    await admin()`
      update public.tasks set status = ${from}, error_message = 'because'
      where id = ${task_id}
    `;
    const error = expectError(
      await update({ status: to }),
      "ILLEGAL_TRANSITION",
    );
    expect(error.message).toContain(from);
    expect(error.message).toContain(to);
    expect((await readTask(task_id))["status"]).toBe(from);
  });

  it("refuses In Progress for a queued task: that is a claim's business", async () => {
    const queued = await createTask(owner);
    const body = { task_id: queued, status: "In Progress" };
    expectError(await update(body), "ILLEGAL_TRANSITION");
  });

  it("refuses a report under a lease that is lost with 409", async () => {
    const lease_token = crypto.randomUUID();
    for (const status of ["Failed", "In Progress", "Complete"]) {
      expectError(await update({ status, lease_token }), "LEASE_LOST");
    }
    expect((await readTask(task_id))["status"]).toBe("In Progress");
  });

  it("is open to the owner's token and user, to others it is 404", async () => {
    const stranger = await createOwner();
    const body = { task_id, status: "Failed" };
    for (
      const key of [await createToken(stranger), await userJwt(stranger.id)]
    ) {
      expectError(await send(body, key), "TASK_NOT_FOUND");
    }
    expect((await readTask(task_id))["status"]).toBe("In Progress");
    expect((await send(body, await userJwt(owner.id))).status).toBe(200);
  });

  it.each([
    ["a word as flag", { reset_generation_started_at: "true" }],
    ["a lease that is no UUID", { lease_token: "1" }],
    ["a status in lower case", { status: "in progress" }],
    ["a status with an underscore", { status: "IN_PROGRESS" }],
  ])("hears a report with %s", async (_what, fields) => {
    const reply = await update({ status: "In Progress", ...fields });
    expect(reply.status, reply.text).toBe(200);
  });

  it("hears a failure in lower case", async () => {
    const reply = await update({ status: "failed", error_message: "OOM" });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.json).toMatchObject({ status: "Failed" });
  });

  it.each([
    ["an id that is no UUID", { task_id: "unknown_task_1760000000" }],
    ["a status that does not exist", { status: "Done" }],
    ["no status", { status: undefined }],
  ])("refuses %s with 400", async (_what, fields) => {
    const body = { status: "In Progress", ...fields };
    expectError(await update(body), "INVALID_BODY");
  });
});

function update(fields: Record<string, unknown>) {
  return send({ task_id, ...fields });
}

function send(body: unknown, key = stack().serviceRoleKey) {
  return callFunction("update-task-status", body, { key });
}
