import { beforeEach, describe, expect, it } from "vitest";
import { PredecessorReply } from "../../shared/predecessor.ts";
import { TaskOutputReply, TaskStatusReply } from "../../shared/task-reads.ts";
import { callFunction, type Reply } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
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

describe("get-task-status", () => {
  it("follows a task from its start to its end", async () => {
    const id = await createTask(owner);
    expect(await statusOf(id)).toMatchObject({ status: "Queued", attempt: 0 });
    await startTask(id);
    expect(await statusOf(id)).toMatchObject({
      task_id: id,
      task_type: "clip",
      status: "In Progress",
      attempt: 1,
      generation_processed_at: null,
    });
    await call("complete-task", { task_id: id, output_location: "a.mp4" });
    const { status, generation_processed_at } = await statusOf(id);
    expect(status).toBe("Complete");
    expect(generation_processed_at).toMatch(/^\d{4}-.*\+00:00$/);
  });

  it("answers 4xx to ids that are none, as workers send them", async () => {
    for (const task_id of ["unknown_task_1767000000", "", null, 7]) {
      const reply = await call("get-task-status", { task_id });
      expectError(reply, "INVALID_BODY");
    }
  });
});

describe("get-task-output", () => {
  it("passes params on byte for byte", async () => {
    const params = '{"seed": 18446744073709551615, "prompt": "ä \\"x\\""}';
    const id = await createTask(owner, { params });
    const reply = await call("get-task-output", { task_id: id });
    expectOk(reply, TaskOutputReply);
    expect(reply.text).toContain('"seed": 18446744073709551615');
    expect(reply.text).toContain('"prompt": "ä \\"x\\""');
  });

  it("tells the reason of a failure where deployed clients look", async () => {
    const id = await createTask(owner);
    await startTask(id);
    await call("update-task-status", {
      task_id: id,
      status: "Failed",
      output_location: "out of memory",
    });
    const reply = await call("get-task-output", { task_id: id });
    expect(expectOk(reply, TaskOutputReply)).toMatchObject({
      status: "Failed",
      output_location: "out of memory",
      error_message: "out of memory",
      public_url: null,
    });
  });
});

describe("get-predecessor-output", () => {
  it("answers null for a task that waits for none", async () => {
    const id = await createTask(owner);
    const reply = await call("get-predecessor-output", { task_id: id });
    expect(reply.status).toBe(200);
    expect(reply.text).toBe("null");
    expect(reply.headers.get("content-type")).toBe("application/json");
  });

  it("tells the output once there is one", async () => {
    const parent = await createTask(owner);
    const child = await createTask(owner, { dependant_on: parent });
    expect(await predecessorOf(child)).toMatchObject({
      predecessor_id: parent,
      output_location: null,
      predecessors: [{ predecessor_id: parent, status: "Queued" }],
    });
    await startTask(parent);
    await call("complete-task", { task_id: parent, output_location: "a.mp4" });
    // The very next question sees it.
    expect(await predecessorOf(child)).toMatchObject({
      predecessor_id: parent,
      output_location: "a.mp4",
    });
  });
});

describe.each([
  "get-task-status",
  "get-task-output",
  "get-predecessor-output",
])("%s", (name) => {
  it("answers the owner, in any spelling of the id", async () => {
    const id = await createTask(owner, {
      dependant_on: await createTask(owner),
    });
    for (const key of [await userJwt(owner.id), await createToken(owner)]) {
      const reply = await call(name, { task_id: id.toUpperCase() }, key);
      expect(reply.status, reply.text).toBe(200);
    }
  });

  it("answers strangers as if there were no such task", async () => {
    const id = await createTask(owner);
    const stranger = await createOwner();
    for (
      const key of [await userJwt(stranger.id), await createToken(stranger)]
    ) {
      expectError(await call(name, { task_id: id }, key), "TASK_NOT_FOUND");
    }
  });
});

function call(
  name: string,
  body: unknown,
  key = stack().serviceRoleKey,
): Promise<Reply> {
  return callFunction(name, body, { key });
}

async function statusOf(task_id: string): Promise<TaskStatusReply> {
  return expectOk(await call("get-task-status", { task_id }), TaskStatusReply);
}

async function predecessorOf(task_id: string): Promise<PredecessorReply> {
  const reply = await call("get-predecessor-output", { task_id });
  return expectOk(reply, PredecessorReply);
}
