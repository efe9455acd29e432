import { rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { removeDatabase } from "../../stack/postgres.ts";
import { type Stack, startStack } from "../../stack/stack.ts";
import { prepareStateDirs } from "../../stack/state-dir.ts";
import { admin, adminConnection, type Connection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { illegalStarts } from "../support/history.ts";
import { claim, complete } from "../support/operations.ts";
import { pidOf, until } from "../support/sessions.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTasks,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import { enqueuePlenty, FIGHTER, fightThrough } from "./under-fire.ts";

const LIMIT = 4;

describe("fairlane_core.drift() finds nothing after", () => {
  beforeEach(reset);

  it("a session was ended between its changes and its commit", async () => {
    const owner = await createOwner();
    const [first = "", second = ""] = await createTasks(owner, 2);
    await startTask(first);
    const doomed = adminConnection();
    const pid = await pidOf(doomed);
    await doomed`begin`;
    await complete(doomed, first);
    expect(await claim(doomed, "worker-doomed")).toMatchObject({
      task_id: second,
    });

    await admin()`select pg_terminate_backend(${pid}, 5000)`;

    expect(await readTask(first)).toMatchObject({ status: "In Progress" });
    expect(await readTask(second)).toMatchObject({ status: "Queued" });
    expect(await drift(admin())).toEqual([]);
  });

  it("sessions were ended in the middle of their work", async () => {
    await enqueuePlenty(admin(), LIMIT);
    const errors = await fightThrough({
      observer: admin,
      connect: () => Promise.resolve(fighter(stack().dbUrl)),
      async strike(pid) {
        await admin()`select pg_terminate_backend(${pid}, 5000)`;
      },
    }, 25);
    expect(errors).toEqual([]);
    expect(await drift(admin())).toEqual([]);
    expect(await illegalStarts(LIMIT)).toEqual([]);
  });
});

describe("fairlane_core.drift() finds nothing after Postgres itself", () => {
  // A stack of its own: one killed process makes Postgres restart as a whole.
  const stateDir = join(checkoutDir, ".stack", "test-kill");
  let target: Stack;

  beforeAll(async () => {
    await removeDatabase(prepareStateDirs(stateDir));
    target = await startStack({ stateDir, durable: true });
  }, 300_000);

  afterAll(async () => {
    await target?.stop();
    const { postgres, sockets, state } = prepareStateDirs(stateDir);
    for (const dir of [postgres, sockets, state]) {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it("was killed in the middle of its work, again and again", async () => {
    let observer = session(target.dbUrl, "observer");
    let recovery: Promise<unknown> = Promise.resolve();
    await enqueuePlenty(observer, LIMIT);
    const errors = await fightThrough({
      observer: () => observer,
      connect: () => recovery.then(() => fighter(target.dbUrl)),
      async strike(pid) {
        await observer.end({ timeout: 0 });
        process.kill(pid, "SIGKILL");
        recovery = untilRecovered(target.dbUrl, pid);
        await recovery;
        observer = session(target.dbUrl, "observer");
      },
    }, 3);
    expect(errors).toEqual([]);
    expect(await drift(observer)).toEqual([]);
    await observer.end({ timeout: 5 });
  }, 300_000);
});

/** By the queue's own account, and counted anew by other means. */
async function drift(sql: Connection): Promise<unknown[]> {
  return [
    ...await sql`select * from fairlane_core.drift()`,
    ...await counterDrift(sql),
  ];
}

/** A session that may be struck down. */
function fighter(dbUrl: string): Connection {
  return session(dbUrl, FIGHTER, { role: "service_role" });
}

function session(
  dbUrl: string,
  application_name: string,
  settings: Record<string, string> = {},
): Connection {
  return postgres(dbUrl, {
    max: 1,
    backoff: false,
    connection: { application_name, ...settings },
    onnotice: () => {},
  });
}

/** Waits until the server has come back without the killed process. */
async function untilRecovered(dbUrl: string, killed: number): Promise<void> {
  await until("Postgres has recovered", async () => {
    // A fresh session each time, which asks one thing only: what the driver
    // asks by itself would be refused without anybody to hear it.
    const sql = postgres(dbUrl, { max: 1, backoff: false, fetch_types: false });
    try {
      const rows = await sql`
        select from pg_catalog.pg_stat_activity where pid = ${killed}
      `;
      return rows.length === 0;
    } catch {
      return false;
    } finally {
      await sql.end({ timeout: 0 });
    }
  });
}
