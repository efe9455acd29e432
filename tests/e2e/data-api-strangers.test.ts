import { beforeAll, describe, expect, it } from "vitest";
import type { Reply } from "../support/http.ts";
import { rest } from "../support/rest.ts";
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

const RPCS = {
  claim_next_task: { p_caller: { kind: "service" }, p_worker_id: "stranger" },
  task_counts: { p_caller: { kind: "service" } },
  create_task: { p_caller: { kind: "service" }, p_task: {} },
  create_tasks: { p_caller: { kind: "service" }, p_tasks: [] },
  complete_task: {
    p_caller: { kind: "service" },
    p_task_id: crypto.randomUUID(),
  },
  update_task_status: {
    p_caller: { kind: "service" },
    p_task_id: crypto.randomUUID(),
    p_status: "Failed",
  },
};
const TABLES = [
  "users",
  "projects",
  "tasks",
  "task_types",
  "task_events",
  "workers",
  "generations",
  "system_logs",
  "user_api_tokens",
];

let owner: Owner;
let stranger: Owner;
let taskId: string;

const PEOPLE: Record<string, () => string | Promise<string>> = {
  "the anon key": () => stack().anonKey,
  "the publishable key": () => stack().publishableKey,
  "a signed-in stranger": () => userJwt(stranger.id),
  "the owner": () => userJwt(owner.id),
  "an expired user": () => userJwt(owner.id, { expiresInSeconds: -60 }),
  "a token": () => createToken(owner),
};

beforeAll(async () => {
  await reset();
  [owner, stranger] = [await createOwner(), await createOwner()];
  taskId = await createTask(owner);
});

describe.each(Object.entries(PEOPLE))("%s", (name, key) => {
  it.each(Object.entries(RPCS))("cannot call %s", async (rpc, body) => {
    const reply = await as(await key(), "POST", `rpc/${rpc}`, {}, body);
    expect([401, 403], reply.text).toContain(reply.status);
    expect((await readTask(taskId))["status"]).toBe("Queued");
  });

  it("cannot change a task", async () => {
    const body = { status: "Cancelled", priority: 9, params: {} };
    const reply = await as(await key(), "PATCH", "tasks", {
      id: `eq.${taskId}`,
    }, body);
    expect(isDenied(reply), reply.text).toBe(true);
    const deletion = await as(await key(), "DELETE", "tasks", {
      id: `eq.${taskId}`,
    }, {});
    expect(isDenied(deletion), deletion.text).toBe(true);
    expect(await readTask(taskId)).toMatchObject({
      status: "Queued",
      priority: 0,
    });
  });

  it.each(TABLES.filter((table) => table !== "projects"))(
    "cannot write to %s",
    async (table) => {
      const id = { [KEYS[table] ?? "id"]: "not.is.null" };
      const patch = await as(await key(), "PATCH", table, id, { id: taskId });
      expect(isDenied(patch), `${table}: ${patch.text}`).toBe(true);
      const deletion = await as(await key(), "DELETE", table, id, {});
      expect(isDenied(deletion), `${table}: ${deletion.text}`).toBe(true);
      if (table === "tasks") return;
      const insert = await as(await key(), "POST", table, {}, {
        ...FIRST_ROW[table],
      });
      expect(isDenied(insert), `${table}: ${insert.text}`).toBe(true);
    },
  );

  if (name === "the owner") return;
  it("sees nothing of the owner's", async () => {
    for (const table of TABLES.filter((name) => name !== "task_types")) {
      const reply = await as(await key(), "GET", table, { select: "*" });
      expect(reply.text, table).not.toContain(owner.id);
      expect(reply.text, table).not.toContain(taskId);
    }
  });

  it("cannot enqueue into the owner's project", async () => {
    const body = { task_type: "clip", project_id: owner.projectId };
    const reply = await as(await key(), "POST", "tasks", {}, body);
    expect([401, 403], reply.text).toContain(reply.status);
  });
});

describe("the owner", () => {
  it("enqueues and reads own tasks, but decides nothing about them", async () => {
    const key = await userJwt(owner.id);
    const body = { task_type: "clip", project_id: owner.projectId };
    const created = await as(key, "POST", "tasks", {}, body);
    expect(created.status, created.text).toBe(201);
    expect(created.json).toMatchObject([{
      user_id: owner.id,
      status: "Queued",
    }]);
    const forged = await as(key, "POST", "tasks", {}, {
      ...body,
      status: "Complete",
    });
    expect([400, 401, 403], forged.text).toContain(forged.status);
  });
});

const KEYS: Record<string, string> = { task_types: "name" };
const FIRST_ROW: Record<string, object> = { task_types: { name: "mine" } };

/** QueueError, or found no row that may be touched. */
function isDenied(reply: Reply): boolean {
  return reply.status >= 400 || reply.text === "[]";
}

function as(
  key: string,
  method: string,
  path: string,
  query: Record<string, string>,
  body?: unknown,
): Promise<Reply> {
  const isUser = key.split(".").length === 3;
  // A user's JWT goes beside the project's public key.
  const headers = isUser ? { apikey: stack().anonKey } : {};
  return rest(method, path, query, { key, body, headers });
}
