import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HealthReply } from "../../shared/health.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { closeConnections } from "../support/db.ts";
import { holdOwner, isOpen, leaveOpen } from "../support/holding.ts";
import { callFunction } from "../support/http.ts";
import { expectOk } from "../support/replies.ts";
import { pidOf, untilBlocked } from "../support/sessions.ts";
import { stack } from "../support/stack.ts";
import { createOwner, type Owner, reset } from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});
afterEach(resetClock);
// First of all: what a failed test left open would block what follows.
afterEach(closeConnections);

describe("health", () => {
  it("names the session that holds an owner, and since when", async () => {
    const holder = await holdOwner(owner);
    const [begun] = await holder`select xact_start::text as at
      from pg_stat_activity where pid = pg_backend_pid()`;
    await stepClock("1 minute");

    const [message = ""] = await heldUp();
    expect(message).toContain(`Session ${await pidOf(holder)} (user postgres`);
    expect(message).toContain("application tests, idle in transaction since");
    expect(message).toContain(`transaction open since ${begun?.["at"]}`);
    expect(message).toContain("holds rows of tasks or owners");
    expect(await isOpen(holder)).toBe(true);
  });

  it("says nothing of what that session wrote", async () => {
    const holder = await leaveOpen((sql) =>
      sql`update public.tasks set error_message = 'a secret' where false`
    );
    await stepClock("1 minute");
    const messages = await heldUp();
    expect(messages).toHaveLength(1);
    expect(messages.join()).not.toContain("a secret");
    expect(await isOpen(holder)).toBe(true);
  });

  it("says nothing of a transaction that has just begun", async () => {
    const holder = await holdOwner(owner);
    expect(await heldUp()).toEqual([]);
    expect(await isOpen(holder)).toBe(true);
  });

  it("says nothing of one that holds nobody up", async () => {
    const holder = await leaveOpen((sql) =>
      sql`update public.users set credits = credits - 1 where id = ${owner.id}`
    );
    await stepClock("1 minute");
    expect(await heldUp()).toEqual([]);
    expect(await isOpen(holder)).toBe(true);
  });

  it("names the first cause: the reader for whom a migration waits", async () => {
    const reader = await leaveOpen((sql) =>
      sql`select 1 from public.tasks limit 1`
    );
    const migration = await leaveOpen((sql) => sql`select 1`);
    const pid = await pidOf(migration);
    const waiting = migration`lock table public.tasks in access exclusive mode`;
    const over = waiting.then(() => true, () => false);
    await untilBlocked(pid);
    await stepClock("1 minute");

    const messages = await heldUp();
    expect(messages).toHaveLength(1);
    expect(messages[0]).toContain(`Session ${await pidOf(reader)} `);
    expect(messages[0]).toContain("1 wait for it");
    await reader`rollback`;
    expect(await over).toBe(true);
  });

  it.each(["fairlane_core.settings", "fairlane_core.job_runs"])(
    "answers also while %s is locked, and says by whom",
    async (table) => {
      const holder = await leaveOpen((sql) =>
        sql.unsafe(`lock table ${table} in access exclusive mode`)
      );
      const [message = ""] = await heldUp();
      expect(message).toContain(`Session ${await pidOf(holder)} `);
      expect(message).toContain(`holds the tables ${table}`);
      expect(await isOpen(holder)).toBe(true);
    },
  );
});

/** What health says of sessions that hold the queue up. */
async function heldUp(): Promise<string[]> {
  const reply = expectOk(
    await callFunction("health", {}, { key: stack().serviceRoleKey }),
    HealthReply,
  );
  const found = reply.reasons.filter((reason) => reason.code === "HELD_UP");
  if (found.length > 0) expect(reply.status).toBe("degraded");
  return found.map((reason) => reason.message);
}
