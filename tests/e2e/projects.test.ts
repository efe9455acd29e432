import { beforeEach, describe, expect, it } from "vitest";
import { MOST_QUEUED, settleAll } from "../support/crowd.ts";
import { admin } from "../support/db.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

let owner: Owner;
let heir: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  heir = await createOwner();
});

describe("a project that is given to another user", () => {
  it("is refused by a PATCH, which says what does it", async () => {
    const id = await createTask(owner);
    const reply = await give();
    expect(reply.status).toBe(409);
    expect(reply.json).toMatchObject({
      details: "PROJECT_HAS_TASKS",
      hint: expect.stringContaining("move_project"),
    });
    expect(await readTask(id)).toMatchObject({ user_id: owner.id });
    expect(await ownerOfProject()).toBe(owner.id);
  });

  it("is given by a PATCH while it is empty", async () => {
    expect((await give()).status).toBe(200);
    expect(await ownerOfProject()).toBe(heir.id);
  });

  it("moves with its tasks, results, history and counters", async () => {
    const done = await createTask(owner);
    await claim();
    await call("complete-task", {
      task_id: done,
      output_location: "https://x",
    });
    const queued = await createTask(owner);
    const moved = await move();
    expect(moved.json).toMatchObject({ tasks: 2, generations: 1 });
    for (const id of [done, queued]) {
      expect(await readTask(id)).toMatchObject({ user_id: heir.id });
    }
    for (const table of ["tasks", "generations", "task_events"]) {
      const seen = await rest("GET", table, { select: "user_id" }, {
        key: await userJwt(heir.id),
      });
      expect(seen.json, table).not.toEqual([]);
      const left = await rest("GET", table, { select: "user_id" }, {
        key: await userJwt(owner.id),
      });
      expect(left.json, table).toEqual([]);
    }
    expect(await claim()).toMatchObject({ task_id: queued });
    expect(await drift()).toEqual([]);
  });

  it("stays whole where it is while a task of it runs", async () => {
    await createTask(owner);
    await claim();
    const reply = await move();
    expect(reply.status).toBe(409);
    expect(reply.json).toMatchObject({ details: "PROJECT_HAS_TASKS" });
    expect(await ownerOfProject()).toBe(owner.id);
    expect(await drift()).toEqual([]);
  });

  it(
    "is refused at once where a request would be cut off half way",
    async () => {
      await createTasks(owner, 10_001);
      const reply = await move();
      expect(reply.status).toBe(409);
      expect(reply.json).toMatchObject({
        details: "PROJECT_HAS_TASKS",
        hint: expect.stringContaining("session of SQL"),
      });
      expect(await ownerOfProject()).toBe(owner.id);
      await admin()`
      select fairlane_core.move_project(
        '{"kind": "service"}', ${owner.projectId}, ${heir.id}
      )
    `;
      expect(await ownerOfProject()).toBe(heir.id);
      expect(await drift()).toEqual([]);
    },
    120_000,
  );

  it("is nothing that a user or a stranger may do", async () => {
    for (const key of [await userJwt(owner.id), stack().anonKey]) {
      const reply = await move(key);
      expect([401, 403, 404]).toContain(reply.status);
    }
    expect(await ownerOfProject()).toBe(owner.id);
  });
});

describe("a user who is deleted", () => {
  it("is deleted with all tasks, and nothing is counted wrong", async () => {
    await createTasks(owner, MOST_QUEUED);
    const id = await createTask(owner, { priority: 1 });
    expect(await claim()).toMatchObject({ task_id: id });
    const reply = await rest("DELETE", "users", { id: `eq.${owner.id}` }, {
      body: {},
    });
    expect(reply.status, reply.text).toBe(200);
    expect(await drift()).toEqual([]);
    // So many tasks follow piece by piece, what runs included.
    await settleAll();
    const report = { task_id: id, status: "Failed", output_location: "late" };
    expect((await call("update-task-status", report)).status).toBe(404);
    expect(await claim()).toBeUndefined();
    expect(await drift()).toEqual([]);
  });
});

describe("while tasks run", () => {
  it("a type changes its pool, and what runs ends as it began", async () => {
    await admin()`
      insert into public.task_types (name, run_type) values ('of_a_test', 'gpu')
    `;
    try {
      const [runs, waits] = await createTasks(owner, 2, {
        task_type: "of_a_test",
      });
      const claimed = await claim() as { task_id: string };
      expect([runs, waits]).toContain(claimed.task_id);
      await changeType({ run_type: "api" });
      expect(await drift()).toEqual([]);
      expect(await claim("gpu-2")).toBeUndefined();
      expect(await claim("api-worker-main", "api")).toBeDefined();
      await call("complete-task", {
        task_id: claimed.task_id,
        output_location: "https://x",
      });
      await changeType({ is_active: false });
      await changeType({ category: "orchestration" });
      expect(await drift()).toEqual([]);
    } finally {
      await admin()`delete from public.task_types where name = 'of_a_test'`;
    }
    expect(await drift()).toEqual([]);
  });

  it("a limit is lowered and raised, and holds at each claim", async () => {
    await createTasks(owner, 8);
    for (const worker of ["a", "b", "c"]) await claim(worker);
    await setLimit(2);
    expect(await claim("d")).toBeUndefined();
    expect(await drift()).toEqual([]);
    await setLimit(4);
    expect(await claim("d")).toBeDefined();
    expect(await claim("e")).toBeUndefined();
    expect(await drift()).toEqual([]);
  });
});

function give() {
  return rest("PATCH", "projects", { id: `eq.${owner.projectId}` }, {
    body: { user_id: heir.id },
  });
}

function move(key = stack().serviceRoleKey) {
  const body = { p_project_id: owner.projectId, p_user_id: heir.id };
  return callRpc("move_project", body, { key, headers: { apikey: key } });
}

function call(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

async function claim(worker_id = "gpu-1", run_type = "gpu"): Promise<unknown> {
  return (await call("claim-next-task", { worker_id, run_type })).json;
}

async function changeType(columns: Record<string, unknown>): Promise<void> {
  const reply = await rest("PATCH", "task_types", { name: "eq.of_a_test" }, {
    body: columns,
  });
  expect(reply.status, reply.text).toBe(200);
}

async function setLimit(max_in_progress: number): Promise<void> {
  await rest("PATCH", "users", { id: `eq.${owner.id}` }, {
    body: { max_in_progress },
  });
}

async function ownerOfProject(): Promise<unknown> {
  const [project] = await admin()<{ user_id: string }[]>`
    select user_id from public.projects where id = ${owner.projectId}
  `;
  return project?.user_id;
}

async function drift(): Promise<unknown[]> {
  return [...await admin()`select * from fairlane_core.drift()`];
}
