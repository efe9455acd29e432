import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { fromBefore } from "../support/from-before.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

const INVALID = { code: "PT400", details: "INVALID_ARGUMENT" };

describe("a plain insert", () => {
  it.each([
    ["a priority at the end of its range", { priority: -2147483648 }],
    ["a type of a megabyte", { task_type: "t".repeat(1 << 20) }],
    ["no type at all", { task_type: "" }],
    ["a time of the year 294276", { available_at: "294276-01-01T00:00:00Z" }],
    ["a time of 1970", { available_at: "1970-01-01T00:00:00Z" }],
    ["a key of 256 characters", { idempotency_key: "k".repeat(256) }],
  ])("of a user with %s is refused", async (_what, fields) => {
    const row = { task_type: "test", project_id: owner.projectId, ...fields };
    const refused = await asUser("POST", "tasks", row);
    expect(refused.status, refused.text).toBe(400);
    expect(refused.json).toMatchObject(INVALID);
  });

  it.each([
    { attempts: 2147483647 },
    { max_attempts: 2147483647 },
    { timeout: "178000000 years" },
    { created_at: "294276-01-01T00:00:00Z" },
  ])("with the service key and %j is refused", async (fields) => {
    const row = { task_type: "test", project_id: owner.projectId, ...fields };
    const refused = await rest("POST", "tasks", {}, { body: row });
    expect(refused.status, refused.text).toBe(400);
    expect(refused.json).toMatchObject(INVALID);
  });
});

it("a PATCH has the same bounds", async () => {
  const id = await createTask(owner);
  for (
    const body of [
      { priority: 2147483647 },
      { worker_id: "w".repeat(256) },
      { available_at: "294276-01-01T00:00:00Z" },
    ]
  ) {
    const refused = await rest("PATCH", "tasks", { id: `eq.${id}` }, { body });
    expect(refused.status, refused.text).toBe(400);
    expect(refused.json).toMatchObject(INVALID);
  }
});

it("explains the tasks beside one of the lowest priority there is", async () => {
  const id = await createTask(owner);
  const old = await createTask(owner);
  await fromBefore((sql) =>
    sql`update public.tasks set priority = -2147483648 where id = ${old}`
  );
  for (const task_id of [id, old]) {
    const reply = await callFunction("explain", { task_id }, {
      key: stack().serviceRoleKey,
    });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.json).toMatchObject({ claimable: true });
  }
});

it("a type is started a thousand times at most, so what failed can come back", async () => {
  const type = { id: "eq.clip" };
  const refused = await rest("PATCH", "task_types", { name: type.id }, {
    body: { max_attempts: 2147483647 },
  });
  expect(refused.status, refused.text).toBe(400);

  const id = await createTask(owner);
  await admin()`update public.tasks set status = 'Failed' where id = ${id}`;
  const back = await callRpc("requeue_tasks", { p_task_ids: [id] }, {
    key: stack().serviceRoleKey,
  });
  expect(back.status, back.text).toBe(200);
  expect(await readTask(id)).toMatchObject({ status: "Queued" });
});

describe("a project", () => {
  it.each([
    { id: crypto.randomUUID() },
    { created_at: "1970-01-01T00:00:00Z" },
    { user_id: crypto.randomUUID() },
  ])("keeps its own when its owner sends %j", async (body) => {
    const refused = await asUser("PATCH", "projects", body, {
      id: `eq.${owner.projectId}`,
    });
    expect(refused.status, refused.text).toBe(403);
  });

  it("has a name of at most 255 characters", async () => {
    const body = { user_id: owner.id, name: "n".repeat(8 << 20) };
    const refused = await asUser("POST", "projects", body);
    expect(refused.status).toBe(400);
    expect(refused.json).toMatchObject(INVALID);
  });

  it("is one of at most a thousand", async () => {
    const made = (count: number) =>
      asUser(
        "POST",
        "projects",
        Array.from({ length: count }, () => ({ user_id: owner.id, name: "x" })),
      );
    const refused = await made(20_000);
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({ details: "TOO_MANY_PROJECTS" });
    expect((await made(999)).status).toBe(201);
    expect((await made(1)).status).toBe(409);
  });
});

it("a token's label has at most 255 characters", async () => {
  const refused = await callRpc("create_api_token", {
    p_label: "l".repeat(2 << 20),
  }, { key: await userJwt(owner.id) });
  expect(refused.status, refused.text).toBe(400);
  expect(refused.json).toMatchObject(INVALID);
});

async function asUser(
  method: string,
  table: string,
  body: unknown,
  query: Record<string, string> = {},
) {
  return rest(method, table, query, {
    key: await userJwt(owner.id),
    body,
    headers: { apiKey: stack().anonKey },
  });
}
