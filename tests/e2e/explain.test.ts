import { beforeEach, describe, expect, it } from "vitest";
import { TaskExplanation, WorkerExplanation } from "../../shared/explain.ts";
import { admin } from "../support/db.ts";
import { callFunction, type Reply } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
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
  owner = await createOwner({ maxInProgress: 1 });
});

describe("explain about a task", () => {
  it("says why it waits, what would help and its place in the queue", async () => {
    const [running = "", waiting] = await createTasks(owner, 2);
    await startTask(running);
    expect(await explainTask(waiting)).toMatchObject({
      task_id: waiting,
      status: "Queued",
      claimable: false,
      reason: "user_at_limit",
      remedy: expect.stringContaining("limit"),
      pool: "gpu",
      attempts: 0,
      max_attempts: 3,
      tasks_ahead: 0,
      users_ahead: 0,
      running: 1,
      task_limit: 1,
    });
  });

  it("agrees with the claim about what comes next", async () => {
    const first = await createTask(owner);
    const other = await createOwner();
    const second = await createTask(other);
    expect(await explainTask(first)).toMatchObject({ users_ahead: 0 });
    expect(await explainTask(second)).toMatchObject({
      claimable: true,
      reason: null,
      users_ahead: 1,
    });
    const body = { worker_id: "worker-of-explain", run_type: "gpu" };
    const key = stack().serviceRoleKey;
    const claimed = await callFunction("claim-next-task", body, { key });
    expect(claimed.json).toMatchObject({ task_id: first });
    expect(await explainTask(first)).toMatchObject({
      status: "In Progress",
      worker_id: "worker-of-explain",
      tasks_ahead: null,
      users_ahead: null,
    });
  });

  it("names the tasks it waits for", async () => {
    const parent = await createTask(owner);
    const child = await createTask(owner, { dependant_on: parent });
    expect(await explainTask(child)).toMatchObject({
      reason: "dependency_pending",
      waits_for: [{ task_id: parent, status: "Queued" }],
    });
  });

  it("answers the owner and the owner's machine, in any spelling", async () => {
    const id = await createTask(owner);
    for (const key of [await userJwt(owner.id), await createToken(owner)]) {
      expect((await explainTask(id.toUpperCase(), key)).task_id).toBe(id);
    }
  });

  it("answers strangers as if there were no such task", async () => {
    const id = await createTask(owner);
    const stranger = await createOwner();
    const unknown = crypto.randomUUID();
    const keys = [await userJwt(stranger.id), await createToken(stranger)];
    for (const key of keys) {
      const foreign = await explain({ task_id: id }, key);
      const missing = await explain({ task_id: unknown }, key);
      expect(expectError(foreign, "TASK_NOT_FOUND").message.replace(id, ""))
        .toBe(
          expectError(missing, "TASK_NOT_FOUND").message.replace(unknown, ""),
        );
    }
    expectError(await explain({ task_id: unknown }), "TASK_NOT_FOUND");
  });
});

describe("explain about a worker", () => {
  it("says what it would get, also to one that nobody knows", async () => {
    await createTask(owner);
    expect(await explainWorker({ worker_id: "nobody" })).toMatchObject({
      known: false,
      gets_work: true,
      reason: null,
      claimable: 1,
      holds: [],
    });
  });

  it("says what it holds already", async () => {
    const id = await createTask(owner);
    await startTask(id, "gpu-busy");
    expect(await explainWorker({ worker_id: "gpu-busy" })).toMatchObject({
      gets_work: false,
      reason: "holds_all_it_may",
      holds: [{ task_id: id }],
    });
  });

  it("says that it has ended, or what everything waits for", async () => {
    await admin()`
      insert into public.workers (id, status) values ('gone', 'terminated')
    `;
    await createTask(await createOwner({ credits: 0 }));
    expect(await explainWorker({ worker_id: "gone" })).toMatchObject({
      known: true,
      gets_work: false,
      reason: "worker_terminated",
    });
    const body = { worker_id: "gpu-idle", run_type: "gpu" };
    expect(await explainWorker(body)).toMatchObject({
      gets_work: false,
      reason: "nothing_claimable",
      blocked: { no_credits: 1 },
    });
  });

  it("shows a token its own work and not the fleet's workers", async () => {
    await admin()`insert into public.workers (id) values ('mac')`;
    await createTask(await createOwner());
    const key = await createToken(owner);
    expect(await explainWorker({ worker_id: "mac" }, key)).toMatchObject({
      known: false,
      claimable: 0,
      blocked: {},
    });
  });

  it("is not for signed-in users", async () => {
    const key = await userJwt(owner.id);
    expectError(await explain({ worker_id: "mac" }, key), "FORBIDDEN");
  });
});

it.each([
  {},
  { task_id: "5" },
  { worker_id: "w", run_type: "cpu" },
  { task_id: crypto.randomUUID(), worker_id: "w" },
])("explain refuses %j with 400", async (body) => {
  expectError(await explain(body), "INVALID_BODY");
});

it("explain refuses keys that are no credentials here", async () => {
  const body = { worker_id: "w" };
  expectError(await explain(body, "junk"), "UNKNOWN_TOKEN");
  expectError(await explain(body, stack().anonKey), "FORBIDDEN");
  expectError(await callFunction("explain", body), "MISSING_CREDENTIALS");
});

function explain(body: unknown, key = stack().serviceRoleKey): Promise<Reply> {
  return callFunction("explain", body, { key });
}

async function explainTask(
  task_id: string | undefined,
  key?: string,
): Promise<TaskExplanation> {
  return expectOk(await explain({ task_id }, key), TaskExplanation);
}

async function explainWorker(
  body: unknown,
  key?: string,
): Promise<WorkerExplanation> {
  return expectOk(await explain(body, key), WorkerExplanation);
}
