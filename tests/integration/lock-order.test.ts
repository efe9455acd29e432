import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  admin,
  adminConnection,
  as,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { claim, complete, patchReset, report } from "../support/operations.ts";
import { deadlocks, pidOf, untilBlocked } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

const ROUNDS = 15;

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("locks are taken in one order, so that", () => {
  it("a claim that sets a stale task aside does not wait for who changes it", async () => {
    const owner = await createOwner();
    const stale = await createTask(owner);
    // It has grown old since it was found ready.
    await admin()`
      update public.tasks set created_at = now() - interval '8 days'
      where id = ${stale}
    `;
    await forceReady(stale);
    const fresh = await createTask(owner);
    const [changer, claimer] = [adminConnection(), as("service_role")];
    const deadlocksBefore = await deadlocks();
    await changer`begin`;
    await changer`select from public.tasks where id = ${stale} for update`;

    const pending = claim(claimer, "worker-stale");
    const settled = pending.then(() => true, () => true);
    await Promise.race([settled, untilBlocked(await pidOfBusy(claimer))]);
    await changer`update public.tasks set priority = 1 where id = ${stale}`;
    await changer`commit`;

    expect((await pending)?.task_id).toBe(fresh);
    expect(await deadlocks([changer, claimer])).toBe(deadlocksBefore);
  });

  it("claims that end a worn out task and look on do not meet head on", async () => {
    const workers = Array.from({ length: 8 }, () => as("service_role"));
    const deadlocksBefore = await deadlocks();
    for (let round = 0; round < ROUNDS; round++) {
      await reset();
      const owners = await createOwners(2, 4);
      const wornOut = await Promise.all(
        workers.map((_, index) => wornOutTask(owners, index, round)),
      );
      expect(wornOut).toHaveLength(workers.length);
      await Promise.all(
        workers.map((sql, index) => claim(sql, `w-${round}-${index}`)),
      );
      expect(await counterDrift()).toEqual([]);
    }
    expect(await deadlocks(workers)).toBe(deadlocksBefore);
  });

  it("statements over many users' tasks do not either", async () => {
    const sessions = Array.from({ length: 6 }, () => as("service_role"));
    const deadlocksBefore = await deadlocks();
    for (let round = 0; round < ROUNDS; round++) {
      await reset();
      const ids: string[] = [];
      for (const owner of await createOwners(6, 0)) {
        for (const id of await createTasks(owner, 3)) {
          await startTask(id, `worker-of-${id}`);
          ids.push(id);
        }
      }
      await Promise.all(sessions.map((sql, index) => act(sql, index, ids)));
      expect(await counterDrift()).toEqual([]);
    }
    expect(await deadlocks(sessions)).toBe(deadlocksBefore);
  });
});

/** Resets of everything in different orders, among ends of single tasks. */
async function act(sql: Connection, index: number, ids: readonly string[]) {
  const turned = index % 2 === 0 ? ids : ids.toReversed();
  if (index < 3) return await patchReset(sql, turned);
  for (const id of turned.slice(0, 6)) {
    if (index === 3) await complete(sql, id);
    else if (index === 4) await report(sql, id, "Failed");
    else await claim(sql, `claimer-${id}`);
  }
}

/** A task in its last start, delivered, whose worker will claim again. */
async function wornOutTask(
  owners: readonly Owner[],
  index: number,
  round: number,
): Promise<void> {
  const owner = owners[index % owners.length] ?? await createOwner();
  const id = await createTask(owner);
  await startTask(id, `w-${round}-${index}`);
  await admin()`
    update public.tasks set attempts = 3, requeue_count = requeue_count + 1,
      delivered_at = now()
    where id = ${id}
  `;
}

async function createOwners(count: number, tasks: number): Promise<Owner[]> {
  const owners: Owner[] = [];
  for (let user = 0; user < count; user++) {
    const owner = await createOwner();
    if (tasks > 0) await createTasks(owner, tasks);
    owners.push(owner);
  }
  return owners;
}
