import { beforeEach, describe, expect, it } from "vitest";
import { CompleteReply } from "../../shared/complete.ts";
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
  type TaskColumns,
} from "../support/world.ts";

const OUTPUT = "https://files.test/result.mp4";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("complete-task, by whom and in which state,", () => {
  it("accepts the lease that finished the task again, and no other", async () => {
    const task_id = await createTask(owner);
    const lease_token = await startTask(task_id);
    expect((await complete({ task_id, lease_token })).status).toBe(200);
    expect((await complete({ task_id, lease_token })).status).toBe(200);
    const other = { task_id, lease_token: crypto.randomUUID() };
    expectError(await complete(other), "LEASE_LOST");
  });

  it("refuses a former lease while another worker runs the task", async () => {
    const task_id = await createTask(owner);
    const former = await startTask(task_id, "worker-one");
    await admin()`update public.tasks set status = 'Queued' where id = ${task_id}`;
    await startTask(task_id, "worker-two");
    expectError(await complete({ task_id, lease_token: former }), "LEASE_LOST");
    expect(await readTask(task_id)).toMatchObject({
      status: "In Progress",
      worker_id: "worker-two",
    });
    expect(await generations(task_id)).toEqual([]);
  });

  it("takes a late result after a rescue", async () => {
    const task_id = await running();
    await admin()`update public.tasks set status = 'Queued' where id = ${task_id}`;
    const reply = await complete({ task_id, output_location: OUTPUT });
    expect(expectOk(reply, CompleteReply).status).toBe("Complete");
  });

  it("refuses a task that was never started with 409 and both states", async () => {
    const task_id = await createTask(owner);
    const error = expectError(
      await complete({ task_id }),
      "ILLEGAL_TRANSITION",
    );
    expect(error.message).toMatch(/Queued.*Complete/);
  });

  it.each(["Failed", "Cancelled"])(
    "does not resurrect a %s task",
    async (status) => {
      const task_id = await running();
      await admin()`
      update public.tasks set status = ${status}, error_message = 'because'
      where id = ${task_id}
    `;
      const reply = await complete({ task_id, output_location: OUTPUT });
      expect(expectOk(reply, CompleteReply).status).toBe(status);
      expect((await readTask(task_id))["status"]).toBe(status);
      expect(await generations(task_id)).toEqual([]);
    },
  );

  it("is open to the owner's token and user, to others it is 404", async () => {
    const stranger = await createOwner();
    const keys = [await createToken(stranger), await userJwt(stranger.id)];
    const task_id = await running();
    for (const key of keys) {
      expectError(
        await complete({ task_id }, "complete-task", key),
        "TASK_NOT_FOUND",
      );
    }
    const own = await complete(
      { task_id },
      "complete-task",
      await userJwt(owner.id),
    );
    expect(own.status).toBe(200);
    const next = await running();
    const token = await createToken(owner);
    expect((await complete({ task_id: next }, "complete-task", token)).status)
      .toBe(200);
  });

  it.each([
    ["no id", {}],
    ["an id that is no UUID", { task_id: "unknown_task_1760000000" }],
    ["a number as id", { task_id: 7 }],
    ["a path that leaves the bucket", { storage_path: "../../secrets" }],
  ])("refuses %s with 400", async (_what, fields) => {
    const id = "task_id" in fields ? {} : { task_id: await running() };
    const body = Object.keys(fields).length === 0 ? {} : { ...id, ...fields };
    expectError(await complete(body), "INVALID_BODY");
  });

  it("takes 7 MiB and refuses above 8 MiB with 413", async () => {
    const task_id = await running();
    const MiB = 1024 * 1024;
    const big = {
      task_id,
      output_location: OUTPUT,
      filler: "x".repeat(7 * MiB),
    };
    expect((await complete(big)).status).toBe(200);
    const bigger = { task_id, filler: "x".repeat(8 * MiB) };
    expectError(await complete(bigger), "BODY_TOO_LARGE");
  });
});

async function running(columns: TaskColumns = {}): Promise<string> {
  const id = await createTask(owner, columns);
  await startTask(id);
  return id;
}

function complete(
  body: unknown,
  name = "complete-task",
  key = stack().serviceRoleKey,
) {
  return callFunction(name, body, { key });
}

async function generations(taskId: string): Promise<unknown[]> {
  return [
    ...await admin()`
    select location, type, project_id, user_id
    from public.generations
    where task_id = ${taskId}
  `,
  ];
}
