import { beforeEach, describe, expect, it } from "vitest";
import { CreateBatchReply, CreateReply } from "../../shared/create.ts";
import { counterDrift } from "../support/drift.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { rest, SINGLE } from "../support/rest.ts";
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
import { childOf } from "../support/fleet-words.ts";

let owner: Owner;
let stranger: Owner;

beforeEach(async () => {
  await reset();
  [owner, stranger] = [await createOwner(), await createOwner()];
});

describe("create-task", () => {
  it("answers a deployed orchestrator, whose worker then finds the row", async () => {
    const body = deployed();
    const reply = await create(body);
    expect(expectOk(reply, CreateReply)).toMatchObject({
      task_id: body.task_id,
      status: "Queued",
      created: true,
    });
    // Query F of the contract: the very next thing the worker does.
    const row = await rest("GET", "tasks", {
      select: "status,created_at,project_id,task_type",
      id: `eq.${body.task_id}`,
    }, { headers: SINGLE });
    expect(row.json).toMatchObject({
      status: "Queued",
      project_id: owner.projectId,
      task_type: "clip",
    });
    expect(await counterDrift()).toEqual([]);
  });

  it("lets the next part wait for the one before, and a worker find it by that", async () => {
    const [first, second] = [deployed(), deployed()];
    expectOk(await create(first), CreateReply);
    const dependant_on = first.task_id;
    expectOk(await create({ ...second, dependant_on }), CreateReply);
    // Query C of the contract.
    const row = await rest("GET", "tasks", {
      select: "dependant_on",
      id: `eq.${second.task_id}`,
    }, { headers: SINGLE });
    expect(row.json).toEqual({ dependant_on });
    expect(await readTask(second.task_id)).toMatchObject({
      readiness: "dependency_pending",
    });
    expect(await readTask(first.task_id)).toMatchObject({ readiness: "ready" });
  });

  it("answers a repeat with the same task, whatever has become of it", async () => {
    const body = deployed();
    const first = await create(body);
    const again = expectOk(await create(body), CreateReply);
    expect(again).toEqual({
      ...CreateReply.parse(first.json),
      created: false,
    });
    await startTask(body.task_id);
    const other = { ...body, task_type: "film", params: { a: 1 } };
    expect(expectOk(await create(other), CreateReply).status)
      .toBe("In Progress");
    expect(await readTask(body.task_id)).toMatchObject({
      task_type: "clip",
      params: { prompt: "a bus", task_id: "unknown_task_1" },
    });
  });

  it("gives a worker the params as they were sent", async () => {
    const seed = '{"seed": 9007199254740993, "scale": 1.50}';
    await create(
      `{"task_type":"process","project_id":"${owner.projectId}","params":${seed}}`,
    );
    const claimed = await callFunction(
      "claim-next-task",
      { worker_id: "worker-of-a-test" },
      { key: stack().serviceRoleKey },
    );
    expect(claimed.text).toContain('"seed": 9007199254740993');
    expect(claimed.text).toContain('"scale": 1.50');
  });

  it("takes the fields of newer clients and several dependencies", async () => {
    const [first, second] = [await createTask(owner), await createTask(owner)];
    const reply = expectOk(
      await create({
        family: "film",
        input: { a: 1 },
        project_id: owner.projectId,
        dependant_on: [first, second],
      }),
      CreateReply,
    );
    expect(reply.dependant_on).toBe(first);
    expect(await readTask(reply.task_id)).toMatchObject({
      task_type: "film",
      readiness: "dependency_pending",
      dependant_on: first,
    });
  });

  it("puts a child of an orchestrator into its parent's project", async () => {
    const parent = await createTask(owner, {
      task_type: "film_orchestrator",
    });
    const reply = await create({
      ...deployed(),
      project_id: "default_project_id",
      params: childOf(parent),
    });
    expect(expectOk(reply, CreateReply).project_id).toBe(owner.projectId);
    const orphan = { ...deployed(), project_id: "default_project_id" };
    expectError(await create(orphan), "PROJECT_REQUIRED");
  });

  it("takes no notice of user_id: a project says whose a task is", async () => {
    for (const user_id of [stranger.id, "somebody", 7, null]) {
      const reply = expectOk(
        await create({ ...deployed(), user_id }),
        CreateReply,
      );
      expect(await readTask(reply.task_id)).toMatchObject({
        user_id: owner.id,
      });
    }
  });

  it("is open to the owner's token and user, for own projects only", async () => {
    for (const key of [await createToken(owner), await userJwt(owner.id)]) {
      expect((await create(deployed(), key)).status).toBe(200);
      const foreign = { ...deployed(), project_id: stranger.projectId };
      expectError(await create(foreign, key), "PROJECT_NOT_FOUND");
    }
  });

  it("tells a stranger nothing about a task whose id is sent", async () => {
    const body = deployed();
    await create(body);
    const theirs = { ...body, project_id: stranger.projectId };
    const key = await userJwt(stranger.id);
    const error = expectError(await create(theirs, key), "TASK_ID_TAKEN");
    expect(JSON.stringify(error)).not.toContain(owner.id);
    expect(JSON.stringify(error)).not.toContain(owner.projectId);
  });

  it("answers the first task to a key that was used before", async () => {
    const first = { ...deployed(), idempotency_key: "order-7" };
    await create(first);
    const reply = await create({ ...first, task_id: crypto.randomUUID() });
    expect(expectOk(reply, CreateReply)).toMatchObject({
      task_id: first.task_id,
      created: false,
    });
    const theirs = { ...first, task_id: crypto.randomUUID() };
    const other = await create({ ...theirs, project_id: stranger.projectId });
    expect(expectOk(other, CreateReply).created).toBe(true);
  });

  it("enqueues a batch whole, in order, or not at all", async () => {
    const [one, two] = [deployed(), deployed()];
    const tasks = [{ ...one, dependant_on: two.task_id }, two];
    const reply = expectOk(await create({ tasks }), CreateBatchReply);
    expect(reply.tasks.map((task) => task.task_id))
      .toEqual([one.task_id, two.task_id]);
    expect(await readTask(one.task_id))
      .toMatchObject({ readiness: "dependency_pending" });

    const good = deployed();
    const bad = { ...deployed(), project_id: crypto.randomUUID() };
    expectError(await create({ tasks: [good, bad] }), "PROJECT_NOT_FOUND");
    await expect(readTask(good.task_id)).rejects.toThrow();
    expect(await counterDrift()).toEqual([]);
  });

  it.each([
    [{ task_type: "a\0b\ud800" }, 200],
    [{ idempotency_key: "\0" }, 200],
    [{ params: { "a\0": "\ud800", "__proto__": { a: 1 } } }, 200],
    [{ available_at: "2100-12-31T23:59:59.999999+23:59" }, 200],
    [{ available_at: "2101-01-01T00:00:00Z" }, 400],
    [{ available_at: "1999-12-31T23:59:59Z" }, 400],
    [{ created_at: "2000-01-01T00:00:00-23:59" }, 200],
    [{ max_attempts: 100, timeout_seconds: 604_800, priority: -1_000 }, 200],
    [{ project_id: "\0" }, 400],
    [{ project_id: "\ud800'; drop table tasks" }, 400],
    [{ params: { orchestrator_id: {} } }, 200],
    [{ priority: 2_147_483_648 }, 400],
  ])("has an answer of its own to %j", async (fields, status) => {
    const reply = await create({ ...deployed(), ...fields });
    expect(reply.status, reply.text).toBe(status);
  });

  it("keeps what the queue decides out of a user's hands", async () => {
    const forged = {
      ...deployed(),
      status: "Complete",
      user_id: stranger.id,
      attempts: 9,
      worker_id: "mine",
      created_at: "2020-01-01T00:00:00Z",
    };
    const key = await userJwt(owner.id);
    const { created_at } = expectOk(await create(forged, key), CreateReply);
    expect(Date.parse(created_at)).toBeGreaterThan(Date.now() - 3_600_000);
    expect(await readTask(forged.task_id)).toMatchObject({
      status: "Queued",
      user_id: owner.id,
      attempts: 0,
      worker_id: null,
    });
  });
});

/** The body that deployed orchestrators send. */
function deployed() {
  return {
    task_id: crypto.randomUUID(),
    params: { prompt: "a bus", task_id: "unknown_task_1" },
    task_type: "clip",
    project_id: owner.projectId,
    dependant_on: null,
  };
}

function create(body: unknown, key = stack().serviceRoleKey) {
  return callFunction("create-task", body, { key });
}
