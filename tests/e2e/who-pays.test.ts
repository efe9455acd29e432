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
} from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("what a cloud worker's time costs", () => {
  const TEN_MINUTES_AGO = new Date(Date.now() - 600_000);

  async function runningTask(key = stack().serviceRoleKey): Promise<string> {
    const task_id = await createTask(owner);
    const claim = { worker_id: "gpu-1", run_type: "gpu" };
    const reply = await callFunction("claim-next-task", claim, { key });
    expect(reply.json).toMatchObject({ task_id });
    await admin()`
      update public.tasks set generation_started_at = ${TEN_MINUTES_AGO}
      where id = ${task_id}
    `;
    return task_id;
  }

  /** The owner, in person and with a token that did not claim. */
  async function owners(): Promise<string[]> {
    return [await userJwt(owner.id), await createToken(owner)];
  }

  it.each([
    ["begin the bill anew", {
      status: "In Progress",
      reset_generation_started_at: true,
    }],
    ["report progress", { status: "In Progress", output_location: "half" }],
    ["hand the task back", { status: "Queued" }],
  ])("is not the owner's to change: they cannot %s", async (_what, body) => {
    const task_id = await runningTask();
    const { lease_token } = await readTask(task_id);
    for (const key of await owners()) {
      for (const proof of [{}, { lease_token }]) {
        expectError(
          await callFunction(
            "update-task-status",
            { task_id, ...body, ...proof },
            { key },
          ),
          "NOT_THE_HOLDER",
        );
      }
    }
    expect(await readTask(task_id)).toMatchObject({
      status: "In Progress",
      worker_id: "gpu-1",
      output_location: null,
      generation_started_at: TEN_MINUTES_AGO,
    });
  });

  it("is not undone by an owner who has the task retried", async () => {
    const task_id = await runningTask();
    for (const key of await owners()) {
      const reply = await callFunction(
        "mark-task-failed",
        { task_id, error_message: "I want it for nothing" },
        { key },
      );
      expect(reply).toMatchObject({
        status: 200,
        json: { status: "In Progress", changed: false },
      });
    }
    expect(await readTask(task_id)).toMatchObject({
      status: "In Progress",
      generation_started_at: TEN_MINUTES_AGO,
    });
  });

  it("is reported by the token that claimed, not by another of its user", async () => {
    const holder = await createToken(owner);
    const task_id = await runningTask(holder);
    const body = { task_id, status: "In Progress", output_location: "half" };
    expectError(
      await callFunction("update-task-status", body, {
        key: await createToken(owner),
      }),
      "NOT_THE_HOLDER",
    );
    const own = await callFunction("update-task-status", body, { key: holder });
    expect(expectOk(own, UpdateStatusReply).output_location).toBe("half");
  });

  it("may be ended by the owner", async () => {
    for (const status of ["Cancelled", "Complete"]) {
      const task_id = await runningTask();
      const reply = await callFunction(
        "update-task-status",
        { task_id, status },
        { key: await userJwt(owner.id) },
      );
      expect(expectOk(reply, UpdateStatusReply).status).toBe(status);
      await admin()`delete from public.tasks where id = ${task_id}`;
    }
  });
});

describe("the limits of a type", () => {
  beforeEach(async () => {
    await admin()`
      insert into public.task_types (name, max_attempts, timeout)
      values ('wild', 1, '10 minutes')
      on conflict (name) do nothing
    `;
  });

  const create = (key: string, limits: object) =>
    callFunction("create-task", {
      task_type: "wild",
      project_id: owner.projectId,
      ...limits,
    }, { key });

  it.each([
    ["more starts", { max_attempts: 100 }],
    ["more time", { timeout_seconds: 604_800 }],
  ])(
    "are not raised by a user or token who asks for %s",
    async (_what, limits) => {
      for (const key of [await userJwt(owner.id), await createToken(owner)]) {
        expectError(await create(key, limits), "INVALID_ARGUMENT");
      }
      expect((await admin()`select from public.tasks`).length).toBe(0);
      expect((await create(stack().serviceRoleKey, limits)).status).toBe(200);
    },
  );

  it("are lowered by a user who asks for less", async () => {
    const limits = { max_attempts: 1, timeout_seconds: 60 };
    const reply = await create(await userJwt(owner.id), limits);
    expect(reply.status).toBe(200);
    const [task] =
      await admin()`select max_attempts, timeout from public.tasks`;
    expect(task).toMatchObject({ max_attempts: 1, timeout: "00:01:00" });
  });
});

describe("a task that is released again and again", () => {
  it("is started as often as documented: ten times for nothing, then three", async () => {
    const task_id = await createTask(owner);
    const key = stack().serviceRoleKey;
    await admin()`update fairlane_core.settings set retry_delay = '0', max_retry_delay = '0'`;
    try {
      let starts = 0;
      for (;; starts++) {
        const claim = { worker_id: `gpu-${starts}`, run_type: "gpu" };
        const claimed = await callFunction("claim-next-task", claim, { key });
        if (claimed.status === 204 || starts > 40) break;
        const back = { task_id, status: "Queued" };
        await callFunction("update-task-status", back, { key });
      }
      expect(starts).toBe(13);
      expect(await readTask(task_id)).toMatchObject({
        status: "Failed",
        attempts: 3,
      });
    } finally {
      await admin()`
        update fairlane_core.settings
        set retry_delay = default, max_retry_delay = default
      `;
    }
  });
});
