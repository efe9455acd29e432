import { afterEach, describe, expect, it } from "vitest";
import { admin, adminConnection } from "../support/db.ts";
import { pidOf, untilBlocked } from "../support/sessions.ts";

afterEach(async () => {
  await admin()`drop index if exists public.unfinished`;
});

describe("fairlane_core.lock_tables()", () => {
  it("makes nobody wait a second, however long it waits itself", async () => {
    const [reader, migration, claim] = [
      adminConnection(),
      adminConnection(),
      adminConnection(),
    ];
    const migrationPid = await pidOf(migration);
    await claim`set lock_timeout = '10s'`;
    await reader`begin`;
    await reader`select 1 from public.tasks limit 1`;
    const locked = migration.begin(async (sql) => {
      await sql`select fairlane_core.lock_tables('fairlane_core.settings', 'public.tasks')`;
    });
    // Blocked anew in each of its tries; between them the tables are free.
    for (let i = 0; i < 3; i++) {
      await untilBlocked(migrationPid);
      await claim`select s.default_task_limit from fairlane_core.settings as s`;
      await claim`select 1 from public.tasks limit 1`;
    }
    await reader`commit`;
    await locked;
  });

  it("counts what it holds already among its second", async () => {
    const [first, second, migration, claim] = [
      adminConnection(),
      adminConnection(),
      adminConnection(),
      adminConnection(),
    ];
    const migrationPid = await pidOf(migration);
    await claim`set lock_timeout = '10s'`;
    await first`begin`;
    await first`select 1 from fairlane_core.settings limit 1`;
    await second`begin`;
    await second`select 1 from public.tasks limit 1`;
    const locked = migration.begin(async (sql) => {
      await sql`select fairlane_core.lock_tables('fairlane_core.settings', 'public.tasks')`;
    });
    await untilBlocked(migrationPid);
    // It gets one table in the middle of a try, and waits for the other one.
    await first`commit`;
    for (let i = 0; i < 10; i++) {
      await untilBlocked(migrationPid);
      await claim`select s.default_task_limit from fairlane_core.settings as s`;
    }
    await second`commit`;
    await locked;
  });

  it("does not deadlock with those that lock the tables in the other order", async () => {
    const [claim, migration] = [adminConnection(), adminConnection()];
    const migrationPid = await pidOf(migration);
    await claim`begin`;
    await claim`select 1 from public.tasks limit 1`;
    const locked = migration.begin(async (sql) => {
      await sql`select fairlane_core.lock_tables('fairlane_core.settings', 'public.tasks')`;
    });
    await untilBlocked(migrationPid);
    // Held by the other one, which lets go of it.
    await claim`set local lock_timeout = '10s'`;
    await claim`select s.default_task_limit from fairlane_core.settings as s`;
    await claim`commit`;
    await locked;
  });
});

describe("fairlane_core.drop_unfinished_indexes()", () => {
  it("drops what a build that failed has left", async () => {
    await admin()`
      insert into public.system_logs (source_type, log_level, message)
      select 'worker', 'INFO', 'twice' from generate_series(1, 2)
    `;
    await expect(admin()`
      create unique index concurrently unfinished on public.system_logs (log_level)
    `).rejects.toMatchObject({ code: "23505" });
    expect(await isThere()).toBe(true);
    await admin()`select fairlane_core.drop_unfinished_indexes('public.system_logs')`;
    expect(await isThere()).toBe(false);
  });

  async function isThere(): Promise<boolean> {
    const [row] = await admin()`
      select to_regclass('public.unfinished') is not null as there
    `;
    return row?.["there"] === true;
  }
});
