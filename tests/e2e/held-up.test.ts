import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { closeConnections } from "../support/db.ts";
import { isGuest } from "../support/profile.ts";
import { holdOwner, isOpen, leaveOpen } from "../support/holding.ts";
import { callFunction, callRpc, type Reply } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";

const PASSED_OVER = "x-fairlane-passed-over";
let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("while the app's transaction holds the only owner with work", () => {
  it("a claim answers 204, and of how many owners it passed over work", async () => {
    await createTask(owner);
    const holder = await holdOwner(owner);

    const reply = await claim({ worker_id: "gpu-1" });
    expect(reply.status).toBe(204);
    expect(reply.headers.get(PASSED_OVER)).toBe("1");
    expect(reply.headers.get("access-control-expose-headers"))
      .toContain(PASSED_OVER);
    expect(await isOpen(holder)).toBe(true);
  });

  it("so does a claim with the owner's token", async () => {
    await createTask(owner);
    const key = await createToken(owner);
    const holder = await holdOwner(owner);

    const reply = await claim({}, key);
    expect(reply.status).toBe(204);
    expect(reply.headers.get(PASSED_OVER)).toBe("1");
    expect(await isOpen(holder)).toBe(true);
  });

  it("the same over the Data API, where the task is null", async () => {
    await createTask(owner);
    const holder = await holdOwner(owner);

    const reply = await rpc("claim_next_task", {
      p_caller: { kind: "service" },
      p_worker_id: "gpu-1",
    });
    expect(reply.status).toBe(200);
    expect(reply.json).toBeNull();
    expect(reply.headers.get(PASSED_OVER)).toBe("1");
    expect(await isOpen(holder)).toBe(true);
  });

  // Over the router they wait for their turn: one connection an isolate.
  it.skipIf(isGuest)("forty pollers all get that answer", async () => {
    await createTask(owner);
    const holder = await holdOwner(owner);

    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, i) => claim({ worker_id: `gpu-${i}` })),
    );
    expect(new Set(replies.map((reply) => reply.status))).toEqual(
      new Set([204]),
    );
    expect(await isOpen(holder)).toBe(true);
  });

  it("another owner's calls are answered as ever", async () => {
    await createTask(owner);
    const other = await createOwner();
    const id = await createTask(other);
    const holder = await holdOwner(owner);

    expect((await claim({ worker_id: "gpu-1" })).status).toBe(200);
    expect((await complete(id)).status).toBe(200);
    const created = await call("create-task", {
      task_type: "clip",
      project_id: other.projectId,
    });
    expect(created.status).toBe(200);
    const counts = await call("task-counts", { run_type: "gpu" });
    expect(counts.status).toBe(200);
    expect(await isOpen(holder)).toBe(true);
  });
});

describe("while the app's transaction takes credits off an owner", () => {
  it("the owner's work is claimed and completed", async () => {
    const id = await createTask(owner);
    const holder = await leaveOpen((sql) =>
      sql`update public.users set credits = credits - 1 where id = ${owner.id}`
    );

    expect((await claim({ worker_id: "gpu-1" })).json)
      .toMatchObject({ task_id: id });
    expect((await complete(id)).status).toBe(200);
    expect(await isOpen(holder)).toBe(true);
  });
});

describe("an answer without work", () => {
  it("says nothing of the kind when nobody holds anything", async () => {
    const reply = await claim({ worker_id: "gpu-1" });
    expect(reply.status).toBe(204);
    expect(reply.headers.get(PASSED_OVER)).toBeNull();
  });
});

function claim(body: unknown, key = stack().serviceRoleKey): Promise<Reply> {
  return callFunction("claim-next-task", body, { key });
}

function complete(id: string): Promise<Reply> {
  return call("complete-task", {
    task_id: id,
    output_location: `https://files.test/${id}.mp4`,
  });
}

function call(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

function rpc(name: string, body: unknown): Promise<Reply> {
  return callRpc(name, body, { key: stack().serviceRoleKey });
}
