import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CreateReply } from "../../shared/create.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { rest } from "../support/rest.ts";
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
import { childOf } from "../support/fleet-words.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  await admin()`update fairlane_core.settings set max_queued_per_user = 2`;
});
afterEach(async () => {
  await admin()`update fairlane_core.settings set max_queued_per_user = default`;
});

describe("a full queue", () => {
  it("is told to users with the time to wait, and holds what it held", async () => {
    const key = await userJwt(owner.id);
    const first = { task_id: crypto.randomUUID(), task_type: "test" };
    expect((await create(first, key)).status).toBe(200);
    expect((await create({ task_type: "test" }, key)).status).toBe(200);

    const refused = await create({ task_type: "test" }, key);
    const error = expectError(refused, "QUEUE_FULL");
    expect(error.message).toContain("2 queued tasks");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expectError(
      await create({ task_type: "test" }, await createToken(owner)),
      "QUEUE_FULL",
    );
    expectError(
      await create({ tasks: [{ task_type: "test" }] }, key),
      "QUEUE_FULL",
    );
    expect(expectOk(await create(first, key), CreateReply).created).toBe(false);
    expect(await queued()).toBe(2);
  });

  it("is told to plain inserts of users", async () => {
    const key = await userJwt(owner.id);
    const row = { task_type: "test", project_id: owner.projectId };
    const insert = (body: unknown) =>
      rest("POST", "tasks", {}, {
        key,
        body,
        headers: { apiKey: stack().anonKey },
      });
    expect((await insert([row, row])).status).toBe(201);
    const refused = await insert(row);
    expect(refused.status, refused.text).toBe(429);
    expect(refused.json).toMatchObject({ details: "QUEUE_FULL" });
    expect(await queued()).toBe(2);
  });

  it("does not bind the service key", async () => {
    for (let count = 0; count < 4; count++) {
      const reply = await create({ task_type: "test" }, stack().secretKey);
      expect(reply.status, reply.text).toBe(200);
    }
    expect(await queued()).toBe(4);
  });

  it("does not bind the children of an orchestrator that was started", async () => {
    const parent = await createTask(owner, {
      task_type: "film_orchestrator",
    });
    await startTask(parent);
    const token = await createToken(owner);
    const params = childOf(parent);
    for (let count = 0; count < 4; count++) {
      const child = { task_type: "clip", params };
      expect((await create(child, token)).status).toBe(200);
    }
  });
});

function create(body: object, key: string) {
  const home = { project_id: owner.projectId };
  const full = "tasks" in body && Array.isArray(body.tasks)
    ? { tasks: body.tasks.map((task) => ({ ...home, ...task })) }
    : { ...home, ...body };
  return callFunction("create-task", full, { key });
}

async function queued(): Promise<number | undefined> {
  const [row] = await admin()<{ count: number }[]>`
    select count(*)::integer as count from public.tasks where status = 'Queued'
  `;
  return row?.count;
}
