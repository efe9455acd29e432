import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin, as, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { holdOwner, holdTasks, isOpen } from "../support/holding.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { claim } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

/** How often a start is free (fairlane_core.settings.max_uncounted_releases). */
const FREE = 10;
const STARTS = 3;

const SAME = { p_claim_id: "always-the-same" };

let owner: Owner;
let poison: string;
let next: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  poison = await createTask(owner);
  next = await createTask(owner);
});
// A transaction that a failed test left open would block the next reset.
afterEach(async () => {
  await closeConnections();
  await resetLockWait();
});

describe("a claim that is repeated for ever", () => {
  it("counts each of its answers once, from two sessions at once", async () => {
    await setLockWait(); // each waits for the other
    const sessions = [as("service_role"), as("service_role")];
    expect((await claim(sessions[0] ?? admin(), "gpu-1", SAME))?.task_id)
      .toBe(poison);
    for (let left = FREE + STARTS - 1; left > 0; left -= 2) {
      const got = await Promise.all(
        sessions.map((sql) => claim(sql, "gpu-1", SAME)),
      );
      expect(got.map((task) => task?.task_id)).toEqual([poison, poison]);
    }
    expect(await readTask(poison)).toMatchObject({
      status: "In Progress",
      attempts: STARTS,
      claim_repeats: FREE,
    });

    const after = await Promise.all(
      sessions.map((sql) => claim(sql, "gpu-1", SAME)),
    );
    expect(after.map((task) => task?.task_id)).toEqual([next, next]);
    expect(await readTask(poison)).toMatchObject({ status: "Failed" });
    expect(await readTask(next)).toMatchObject({ attempts: 1 });
    expect(await counterDrift()).toEqual([]);
  });

  it("does not wait for the holder of the task, and counts nothing meanwhile", async () => {
    const sql = as("service_role");
    const first = await claim(sql, "gpu-1", SAME);
    const holder = await holdTasks(poison);

    for (let n = 0; n < FREE + STARTS; n++) {
      expect(await claim(sql, "gpu-1", SAME)).toEqual(first);
    }
    expect(await isOpen(holder)).toBe(true);
    expect(await readTask(poison))
      .toMatchObject({ attempts: 1, claim_repeats: 0 });
  });

  it("waits only a moment for the owner of a task that it would end", async () => {
    const sql = as("service_role");
    await claim(sql, "gpu-1", SAME);
    await admin()`
      update public.tasks
      set claim_repeats = ${FREE}, max_attempts = 1
      where id = ${poison}
    `;
    const holder = await holdOwner(owner);

    expect(await claim(sql, "gpu-1", SAME)).toBeNull();
    expect(await isOpen(holder)).toBe(true);
    expect(await readTask(poison)).toMatchObject({ status: "In Progress" });

    await holder`rollback`;
    expect((await claim(sql, "gpu-1", SAME))?.task_id).toBe(next);
    expect(await readTask(poison)).toMatchObject({ status: "Failed" });
  });
});
