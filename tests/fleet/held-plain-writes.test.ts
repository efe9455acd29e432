/**
 * Plain writes over the Data API for an owner whom somebody holds: where a
 * trigger of the queue meets the lock, the answer is 503 with the stable code.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { admin, closeConnections, type Connection } from "../support/db.ts";
import { holdOwner, holdTasks, isOpen, leaveOpen } from "../support/holding.ts";
import { callRpc, type Reply } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import { childOf } from "../support/fleet-words.ts";

let owner: Owner;
let task: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task = await createTask(owner);
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

/** Whose task it is, and which. */
interface Held {
  readonly owner: Owner;
  readonly task: string;
}

/** What came of a write, and of the task that it was about. */
interface Told {
  readonly reply: Reply;
  /** Whether the owner was still held when it came. */
  readonly wasOpen: boolean;
  readonly before: unknown;
  readonly after: unknown;
}

const WRITES: Readonly<Record<string, (held: Held) => Promise<Reply>>> = {
  "PATCH that cancels a task": ({ task }) =>
    patch({ status: "Cancelled" }, task),
  "PATCH that fails a task": ({ task }) =>
    patch({ status: "Failed", error_message: "x" }, task),
  "PATCH that makes a task another's child": ({ task }) =>
    patch({ params: childOf(crypto.randomUUID()) }, task),
  "DELETE of a task": ({ task }) =>
    rest("DELETE", "tasks", { id: `eq.${task}` }),
  "DELETE of a project": async ({ owner }) =>
    rest("DELETE", "projects", { id: `eq.${owner.projectId}` }, {
      key: await userJwt(owner.id),
    }),
  "PATCH that takes a user's last credits": ({ owner }) =>
    rest("PATCH", "users", { id: `eq.${owner.id}` }, { body: { credits: 0 } }),
  "DELETE of a user with a few tasks": ({ owner }) =>
    rest("DELETE", "users", { id: `eq.${owner.id}` }),
  "DELETE of a user with many": ({ owner }) =>
    rest("DELETE", "users", { id: `eq.${owner.id}` }),
};

describe("while somebody's transaction holds the owner", () => {
  const told = new Map<string, Told>();

  // Each waits for its own owner, and all of them at the same time.
  beforeAll(async () => {
    await reset();
    const worlds = [];
    for (const [name, write] of Object.entries(WRITES)) {
      const owner = await createOwner();
      const held = { owner, task: await createTask(owner) };
      if (name.endsWith("many")) await createTasks(owner, 150);
      const before = await readTask(held.task);
      worlds.push({
        name,
        write,
        held,
        before,
        holder: await holdOwner(owner),
      });
    }
    await Promise.all(worlds.map(async ({ name, write, held, ...world }) => {
      const reply = await write(held);
      const wasOpen = await isOpen(world.holder);
      const after = await readTask(held.task);
      await world.holder`rollback`;
      told.set(name, { reply, wasOpen, before: world.before, after });
    }));
  });

  it.each(Object.keys(WRITES))("a %s is told 503 UNAVAILABLE", (name) => {
    const one = told.get(name);
    if (one === undefined) throw new Error(`Nothing was told a ${name}`);
    expect(one.wasOpen).toBe(true);
    expectUnavailable(one.reply);
    expect(one.after).toEqual(one.before);
  });

  it("a PATCH that changes nothing that is counted goes through", async () => {
    await startTask(task);
    const holder = await holdOwner(owner);
    const reply = await patch({ output_location: "step 3 of 20" });
    expect(reply.status).toBe(200);
    expect(await isOpen(holder)).toBe(true);
  });
});

describe("while somebody's transaction holds a task that ends with it", () => {
  it.each<[string, () => Promise<Reply>]>([
    ["PATCH that cancels", () => patch({ status: "Cancelled" })],
    ["DELETE", () => rest("DELETE", "tasks", { id: `eq.${task}` })],
  ])("a %s is told 503 UNAVAILABLE", async (_, write) => {
    const waiting = await createTask(owner, { dependant_on: task });
    const holder = await holdTasks(waiting);
    await toldBeside(holder, await write());
    expect(await readTask(task)).toMatchObject({ status: "Queued" });
  });
});

describe("while another request of the same user makes a token", () => {
  it("a second one gets 503 UNAVAILABLE, and does not wait forever", async () => {
    const holder = await leaveOpen((sql) =>
      sql`
        select pg_advisory_xact_lock(
          hashtextextended('fairlane_core.tokens:' || ${owner.id}, 0)
        )
      `
    );
    const reply = await callRpc("create_api_token", { p_label: "second" }, {
      key: await userJwt(owner.id),
    });
    expect(await isOpen(holder)).toBe(true);
    expect(reply.status).toBe(503);
    expect(reply.json).toMatchObject({ details: "UNAVAILABLE" });
  });
});

describe("in a session", () => {
  it("the same lock is 55P03, which whoever asked for it knows", async () => {
    const holder = await holdOwner(owner);
    await admin()`set lock_timeout = '1ms'`;
    await expect(
      admin()`update public.tasks set status = 'Cancelled' where id = ${task}`,
    ).rejects.toMatchObject({ code: "55P03" });
    await admin()`reset lock_timeout`;
    expect(await isOpen(holder)).toBe(true);
  });
});

function patch(body: unknown, id = task): Promise<Reply> {
  return rest("PATCH", "tasks", { id: `eq.${id}` }, { body });
}

async function toldBeside(holder: Connection, reply: Reply): Promise<void> {
  expect(await isOpen(holder)).toBe(true);
  expectUnavailable(reply);
  await holder`rollback`;
}

function expectUnavailable(reply: Reply): void {
  expect(reply.status).toBe(503);
  expect(reply.json).toMatchObject({
    code: "PT503",
    details: "UNAVAILABLE",
    hint: expect.stringContaining("Nothing was changed"),
  });
}
