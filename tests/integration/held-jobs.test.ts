import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin, adminConnection, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { holdOwner, isOpen, leaveOpen } from "../support/holding.ts";
import { deadlocks } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
  type TaskColumns,
} from "../support/world.ts";

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);
afterEach(resetClock);

describe("a job while somebody's transaction holds an owner", () => {
  it("that rescues leaves that owner's work, and brings the others' back", async () => {
    const [busy, free] = [await createOwner(), await createOwner()];
    const left = await startedOnDeadWorker(busy, "gpu-1");
    const back = await startedOnDeadWorker(free, "gpu-2");
    const holder = await holdOwner(busy);

    await run("select fairlane_core.rescue()");
    expect(await isOpen(holder)).toBe(true);
    expect(await readTask(left)).toMatchObject({ status: "In Progress" });
    expect(await readTask(back)).toMatchObject({ status: "Queued" });
    await holder`rollback`;
    await run("select fairlane_core.rescue()");
    expect(await readTask(left)).toMatchObject({ status: "Queued" });
    expect(await counterDrift()).toEqual([]);
  });

  it("that rescues a few at a time gets past the many of that owner", async () => {
    const [busy, free] = [await createOwner(), await createOwner()];
    const left: string[] = [];
    for (let i = 0; i < 6; i++) {
      left.push(await startedOnDeadWorker(busy, `gpu-${i}`));
    }
    const back = await startedOnDeadWorker(free, "gpu-last");
    const holder = await holdOwner(busy);

    await run("select fairlane_core.rescue(2)");
    expect(await isOpen(holder)).toBe(true);
    expect(await readTask(back)).toMatchObject({ status: "Queued" });
    for (const id of left) {
      expect(await readTask(id)).toMatchObject({ status: "In Progress" });
    }
  });

  it("that sweeps releases what is due of the others", async () => {
    const available_at = new Date(Date.now() + 60_000).toISOString();
    const { left, done, holder } = await twoOwners({ available_at });
    await stepClock("2 minutes");

    await run("select fairlane_core.sweep()");
    expect(await isOpen(holder)).toBe(true);
    expect(await readTask(left)).toMatchObject({ readiness: "not_yet" });
    expect(await readTask(done)).toMatchObject({ readiness: "ready" });
  });

  it("that cleans cancels what is old of the others", async () => {
    const { left, done, holder } = await twoOwners({
      dependant_on: crypto.randomUUID(),
    });
    await stepClock("8 days");

    await run("select fairlane_core.cleanup()");
    expect(await isOpen(holder)).toBe(true);
    expect(await readTask(left)).toMatchObject({ status: "Queued" });
    expect(await readTask(done)).toMatchObject({ status: "Cancelled" });
    expect(await counterDrift()).toEqual([]);
  });
});

describe("a change of many users", () => {
  it("takes their locks in the order in which others do", async () => {
    const owners: Owner[] = [];
    for (let i = 0; i < 60; i++) owners.push(await createOwner());
    const ids: string[] = [];
    for (const owner of owners) ids.push(await createTask(owner));
    // Rows of users lie in the order of their last change: not that of ids.
    for (const owner of owners.toSorted((a, b) => a.id < b.id ? 1 : -1)) {
      await admin()`
        update public.users set created_at = now() where id = ${owner.id}
      `;
    }
    const before = await deadlocks();
    const [app, web] = [adminConnection(), adminConnection()];
    for (let round = 0; round < 20; round++) {
      await Promise.all([
        app`update public.users set credits = ${round % 2}`,
        web`update public.tasks set priority = ${round}, readiness = null`,
        web`
          update public.tasks
          set available_at = case when available_at is null then now() + interval '1 day' end
        `,
      ]);
    }
    expect(await deadlocks([app, web])).toBe(before);
    expect(await counterDrift()).toEqual([]);
  });

  it("locks nobody for whom nothing changes that a claim asks for", async () => {
    const [rich, poor] = [
      await createOwner(),
      await createOwner({ credits: 0 }),
    ];
    const holder = await leaveOpen((sql) =>
      sql`update public.users set credits = credits + 1`
    );
    const free = await admin()<{ user_id: string }[]>`
      select user_id from fairlane_core.user_slots for no key update skip locked
    `;
    expect(free.map((row) => row.user_id)).toEqual([rich.id]);
    expect(poor.id).not.toBe(rich.id);
    expect(await isOpen(holder)).toBe(true);
  });
});

async function startedOnDeadWorker(
  owner: Owner,
  worker: string,
): Promise<string> {
  const id = await createTask(owner);
  await startTask(id, worker);
  await admin()`set fairlane_core.mode = 'rescues'`;
  await admin()`
    insert into public.workers (id, status) values (${worker}, 'active')
  `;
  await admin()`update public.workers set status = 'error' where id = ${worker}`;
  await admin()`reset fairlane_core.mode`;
  return id;
}

/** A task each of an owner who is held, and of one who is not. */
async function twoOwners(columns: TaskColumns) {
  const [busy, free] = [await createOwner(), await createOwner()];
  const left = await createTask(busy, columns);
  const done = await createTask(free, columns);
  return { left, done, holder: await holdOwner(busy) };
}

/** A job that waits must not hang the suite. */
async function run(statement: string): Promise<void> {
  const sql = adminConnection();
  await sql`set statement_timeout = '20s'`;
  await sql.unsafe(statement);
}
