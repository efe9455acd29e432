import { beforeEach, describe, expect, it } from "vitest";
import { MarkFailedReply } from "../../shared/mark-failed.ts";
import { counterDrift } from "../support/drift.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
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

describe("mark-task-failed", () => {
  it("requeues the task with a wait and says so", async () => {
    const reply = await mark({ error_message: "provider answered 503" });
    expect(expectOk(reply, MarkFailedReply)).toMatchObject({
      status: "Queued",
      changed: true,
      will_retry: true,
      available_at: expect.stringMatching(/^\d{4}-/),
      error_message: "provider answered 503",
    });
    expect(await readTask(task_id)).toMatchObject({
      status: "Queued",
      readiness: "not_yet",
      lease_token: null,
    });
    expect(await counterDrift()).toEqual([]);
  });

  it("is harmless when it is repeated", async () => {
    await mark({ error_message: "once" });
    const reply = await mark({ error_message: "once" });
    expect(expectOk(reply, MarkFailedReply))
      .toMatchObject({ status: "Queued", changed: false, will_retry: true });
  });

  it("ends the task when it is not worth another try", async () => {
    const reply = await mark({ error_message: "bad prompt", retryable: false });
    expect(expectOk(reply, MarkFailedReply))
      .toMatchObject({
        status: "Failed",
        will_retry: false,
        available_at: null,
      });
    expect(await readTask(task_id))
      .toMatchObject({ status: "Failed", output_location: "bad prompt" });
  });

  it("tells a worker with an old lease to stop", async () => {
    const lease_token = "00000000-0000-4000-8000-000000000001";
    const reply = await mark({ error_message: "boom", lease_token });
    expectError(reply, "LEASE_LOST");
    expect((await readTask(task_id))["status"]).toBe("In Progress");
  });

  it("keeps a reason of any bytes", async () => {
    const reply = await mark({ error_message: "a\u0000b😀", retryable: false });
    expect(reply.status).toBe(200);
    expect((await readTask(task_id))["error_message"]).toBe("a\uFFFDb😀");
  });
});

function mark(fields: Record<string, unknown>) {
  return callFunction("mark-task-failed", { task_id, ...fields }, {
    key: stack().serviceRoleKey,
  });
}
