import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin, as, closeConnections } from "../support/db.ts";
import { holdOwner, holdTasks, isOpen, leaveOpen } from "../support/holding.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { type Arguments, claim } from "../support/operations.ts";
import { pidOf, untilBlocked } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  createTasks,
  createToken,
  reset,
  startTask,
} from "../support/world.ts";
import { tokenCaller } from "./token-caller.ts";

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);
afterEach(resetClock);
afterEach(resetLockWait);

describe("claim_next_task() while somebody's transaction is left open", () => {
  it("answers that it passed over the only owner with work", async () => {
    const owner = await createOwner();
    await createTask(owner);
    const holder = await holdOwner(owner);

    expect(await poll()).toEqual({ task: undefined, passedOver: 1 });
    expect(await isOpen(holder)).toBe(true);
  });

  it.each([
    { p_claim_id: "with-a-claim-id" },
    { p_worker_id: "worker-with-a-model" },
    { p_worker_id: "worker-with-a-model", p_same_model_only: true },
  ])("says so to a claim with %j, and counts each owner once", async (args) => {
    await loadModel("worker-with-a-model");
    const holders = [];
    for (const limit of [1, 2, 3]) {
      const owner = await createOwner({ maxInProgress: limit });
      await createTasks(owner, 3);
      holders.push(await holdOwner(owner));
    }

    expect(await poll(args)).toEqual({ task: undefined, passedOver: 3 });
    expect(await Promise.all(holders.map(isOpen))).toEqual([true, true, true]);
  });

  it("takes nothing from the wait: another owner's work comes at once", async () => {
    const [busy, free] = [await createOwner(), await createOwner()];
    await createTask(busy);
    const taskId = await createTask(free);
    const holder = await holdOwner(busy);

    expect((await poll()).task).toBe(taskId);
    expect(await isOpen(holder)).toBe(true);
  });

  it("finds work that came while it waited for an owner in vain", async () => {
    const [busy, late] = [await createOwner(), await createOwner()];
    await createTask(busy);
    const taskId = await createTask(late);
    const holder = await holdOwner(busy);
    const other = await holdOwner(late);
    await setLockWait("3 seconds");

    // Whom it waits for is the first in turn; meanwhile the other comes free.
    const sql = as("service_role");
    const pid = await pidOf(sql);
    const pending = claim(sql, "worker-polls");
    await untilBlocked(pid);
    await other`rollback`;

    expect((await pending)?.task_id).toBe(taskId);
    expect(await isOpen(holder)).toBe(true);
  });

  it("says the same to a token whose owner is held", async () => {
    const owner = await createOwner();
    await createTask(owner, { run_type: "local" });
    const p_caller = tokenCaller(await createToken(owner));
    const holder = await holdOwner(owner);

    expect(await poll({ p_caller })).toEqual({
      task: undefined,
      passedOver: 1,
    });
    expect(await isOpen(holder)).toBe(true);
  });

  it.each([false, true])(
    "counts an owner all of whose tasks are held (with a token: %s)",
    async (isOwn) => {
      const owner = await createOwner();
      const ids = await createTasks(owner, 3);
      const caller = isOwn
        ? { p_caller: tokenCaller(await createToken(owner)) }
        : {};
      const holder = await holdTasks(...ids);

      expect(await poll(caller)).toEqual({ task: undefined, passedOver: 1 });
      expect(await isOpen(holder)).toBe(true);
    },
  );

  it("does not look for ever past held heads when it asks for its model first", async () => {
    await loadModel("worker-with-a-model");
    const owner = await createOwner();
    const models = ["this-model", "another-model"];
    const [suited, other] = await Promise.all(
      models.map((model) => createTask(owner, { params: { model } })),
    );
    const holder = await holdTasks(suited ?? "", other ?? "");

    const args = {
      p_worker_id: "worker-with-a-model",
      p_same_model_only: true,
    };
    expect(await poll(args)).toEqual({ task: undefined, passedOver: 1 });
    expect(await isOpen(holder)).toBe(true);
  });

  it("waits for no task that has become due", async () => {
    const owner = await createOwner();
    const due = await createTask(owner, {
      available_at: new Date(Date.now() + 60_000).toISOString(),
    });
    await stepClock("2 minutes");
    const holder = await holdTasks(due);

    expect(await poll()).toEqual({ task: undefined, passedOver: 1 });
    expect(await isOpen(holder)).toBe(true);
  });

  it("waits for no owner of such a task", async () => {
    const owner = await createOwner();
    await createTask(owner, {
      available_at: new Date(Date.now() + 60_000).toISOString(),
    });
    await stepClock("2 minutes");
    const holder = await holdOwner(owner);

    expect(await poll()).toEqual({ task: undefined, passedOver: 1 });
    expect(await isOpen(holder)).toBe(true);
  });

  it("gives no other task to a worker whose own is held", async () => {
    const owner = await createOwner();
    const [mine = ""] = await createTasks(owner, 2);
    await startTask(mine, "worker-polls");
    const holder = await holdTasks(mine);

    expect(await poll()).toEqual({ task: undefined, passedOver: 1 });
    expect(await isOpen(holder)).toBe(true);
  });

  it("says nothing of owners who may run nothing now", async () => {
    const poor = await createOwner({ credits: 0 });
    await createTask(poor);
    const holder = await holdOwner(poor);

    expect(await poll()).toEqual({ task: undefined, passedOver: 0 });
    expect(await isOpen(holder)).toBe(true);
  });
});

describe("claim_next_task() of a name whose last claim was left open", () => {
  it("has no second task for that worker", async () => {
    await createTasks(await createOwner(), 2);
    const first = as("service_role");
    await first`begin`;
    const mine = await claim(first, "worker-polls");

    await expect(poll()).rejects.toMatchObject({ code: "PT503" });
    expect(await isOpen(first)).toBe(true);
    await first`commit`;
    expect((await poll()).task).toBe(mine?.task_id);
  });

  it("has no second answer to that claim_id", async () => {
    await createTasks(await createOwner(), 2, { task_type: "edit_image" });
    const args = { p_run_type: "api", p_claim_id: "the-same" };
    const first = as("service_role");
    await first`begin`;
    const mine = await claim(first, "worker-polls", args);

    await expect(poll(args)).rejects.toMatchObject({ code: "PT503" });
    expect(await isOpen(first)).toBe(true);
    await first`commit`;
    expect((await poll(args)).task).toBe(mine?.task_id);
  });
});

describe("a transaction of the app that changes a user", () => {
  it("holds nobody up while what the user may stays the same", async () => {
    const owner = await createOwner({ credits: 100 });
    const taskId = await createTask(owner);
    const holder = await leaveOpen((sql) =>
      sql`update public.users set credits = credits - 1 where id = ${owner.id}`
    );

    expect(await poll()).toEqual({ task: taskId, passedOver: 0 });
    expect(await isOpen(holder)).toBe(true);
  });

  it("holds up that user alone when it changes that", async () => {
    const owner = await createOwner({ credits: 1 });
    await createTask(owner);
    const holder = await leaveOpen((sql) =>
      sql`update public.users set credits = credits - 1 where id = ${owner.id}`
    );

    expect(await poll()).toEqual({ task: undefined, passedOver: 1 });
    expect(await isOpen(holder)).toBe(true);
  });
});

/** One claim: the task it got, and of how many owners it says it passed over. */
async function poll(args: Arguments = {}) {
  const sql = as("service_role");
  // A claim that looks in circles must not hang the suite.
  await sql`set statement_timeout = '120s'`;
  await sql`begin`;
  const task = await claim(sql, String(args["p_worker_id"] ?? "worker-polls"), {
    ...args,
  });
  const [row] = await sql<{ headers: string | null }[]>`
    select current_setting('response.headers', true) as headers
  `;
  await sql`commit`;
  const headers: Record<string, string>[] = JSON.parse(row?.headers || "[]");
  const said = headers.find((header) => "x-fairlane-passed-over" in header);
  return {
    task: task?.task_id,
    passedOver: Number(said?.["x-fairlane-passed-over"] ?? 0),
  };
}

async function loadModel(worker: string): Promise<void> {
  await admin()`
    insert into public.workers (id, status, current_model)
    values (${worker}, 'active', 'this-model')
  `;
}
