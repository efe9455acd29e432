import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { adminConnection, as, closeConnections } from "../support/db.ts";
import { claim } from "../support/operations.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { pidOf, untilBlocked } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  reset,
  startTask,
  type TaskColumns,
} from "../support/world.ts";
import { tokenCaller } from "./token-caller.ts";

beforeEach(reset);
beforeEach(() => setLockWait());
afterEach(resetLockWait);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("claim_next_task() while others hold locks", () => {
  it("waits for the only user with work and then finds it", async () => {
    const owner = await createOwner();
    const taskId = await createTask(owner);
    const other = await holdUser(owner);

    const worker = as("service_role");
    const pid = await pidOf(worker);
    const pending = claim(worker, "worker-waits");
    await untilBlocked(pid);
    await other`rollback`;

    expect((await pending)?.task_id).toBe(taskId);
  });

  it("waits likewise when a token claims its owner's work", async () => {
    const owner = await createOwner();
    const taskId = await createTask(owner, { run_type: "local" });
    const p_caller = tokenCaller(await createToken(owner));
    const other = await holdUser(owner);

    const worker = as("service_role");
    const pid = await pidOf(worker);
    const pending = claim(worker, "worker-waits", { p_caller });
    await untilBlocked(pid);
    await other`rollback`;

    expect((await pending)?.task_id).toBe(taskId);
  });

  it("goes on to the next user when the awaited one has reached its limit", async () => {
    const [first, second] = [
      await createOwner({ maxInProgress: 1 }),
      await createOwner({ maxInProgress: 1 }),
    ];
    const [taken] = await createLine(first, 2);
    const left = await createTask(second);
    const [holdsFirst, holdsSecond] = [
      await holdUser(first),
      await holdUser(second),
    ];
    await holdsFirst`
      update public.tasks
      set
        status = 'In Progress', worker_id = 'other', attempts = 1,
        lease_token = gen_random_uuid(), claimed_at = fairlane_core.now()
      where id = ${taken}
    `;

    const worker = as("service_role");
    const pid = await pidOf(worker);
    const pending = claim(worker, "worker-waits");
    await untilBlocked(pid);
    await holdsFirst`commit`;
    await holdsSecond`rollback`;

    expect((await pending)?.task_id).toBe(left);
  });

  it("passes over a user who is being served when another has work", async () => {
    const [busy, free] = [await createOwner(), await createOwner()];
    await createTask(busy);
    const taskId = await createTask(free);
    const other = await holdUser(busy);

    const task = await claim(as("service_role"), "worker-passes");
    await other`rollback`;

    expect(task?.task_id).toBe(taskId);
  });

  it("takes the second task while somebody changes the first", async () => {
    const owner = await createOwner();
    const [first, second] = await createLine(owner, 2);
    const other = await holdTask(first);

    const task = await claim(as("service_role"), "worker-second");
    await other`rollback`;

    expect(task?.task_id).toBe(second);
  });

  it("does so for a token and local tasks too", async () => {
    const owner = await createOwner();
    const [first, second] = await createLine(owner, 2, { run_type: "local" });
    const p_caller = tokenCaller(await createToken(owner));
    const other = await holdTask(first);

    const task = await claim(as("service_role"), "worker-second", { p_caller });
    await other`rollback`;

    expect(task?.task_id).toBe(second);
  });

  it("finds the slot that a completion frees while the claim waits", async () => {
    const owner = await createOwner({ maxInProgress: 2 });
    const [running, second, third] = await createLine(owner, 3);
    await startTask(running);
    const other = await holdUser(owner);
    await other`
      update public.tasks set status = 'Complete' where id = ${running}
    `;

    const worker = as("service_role");
    const pid = await pidOf(worker);
    const pending = claim(worker, "worker-waits");
    await untilBlocked(pid);
    await other`commit`;
    const next = await claim(as("service_role"), "worker-next");

    expect((await pending)?.task_id).toBe(second);
    expect(next?.task_id).toBe(third);
  });
});

/** Tasks that stand in line one behind the other; their ids. */
async function createLine(
  owner: Owner,
  length: number,
  columns: TaskColumns = {},
): Promise<[string, string, string]> {
  const ids: string[] = [];
  for (let place = 0; place < length; place++) {
    ids.push(await createTask(owner, columns));
  }
  const [first = "", second = "", third = ""] = ids;
  return [first, second, third];
}

/** A transaction that serves this user and has not ended. */
async function holdUser(owner: Owner) {
  const sql = adminConnection();
  await sql`begin`;
  await sql`
    select from fairlane_core.user_slots where user_id = ${owner.id} for no key update
  `;
  return sql;
}

/** A transaction that changes this task and has not ended. */
async function holdTask(id: string) {
  const sql = adminConnection();
  await sql`begin`;
  await sql`select from public.tasks where id = ${id} for no key update`;
  return sql;
}
