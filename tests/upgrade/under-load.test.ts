import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import type { ThrowAwayDatabase } from "../../gate/equality/throw-away-database.ts";
import { counterDrift } from "../support/drift.ts";
import { applyMigrations } from "../support/old-database.ts";
import { pauseJobs } from "../support/pause-jobs.ts";
import { until } from "../support/sessions.ts";
import { augustWorkers, type Meetings } from "./august-workers.ts";
import { differencesFromFresh } from "./like-a-fresh-install.ts";
import { oldDatabaseAtSize } from "./old-database-at-size.ts";

// UPGRADE_ROWS=1000000 is the size that is promised; it takes some minutes.
const ROWS = Number(process.env["UPGRADE_ROWS"] ?? 15_000);
const PATIENCE_MS = 600_000 + ROWS;

describe(`an upgrade of ${ROWS} old tasks beside workers that claim`, () => {
  let database: ThrowAwayDatabase;
  let sql: postgres.Sql;
  let met: Meetings;
  let claimedBefore: number;
  let fileBefore: unknown;

  beforeAll(async () => {
    database = await oldDatabaseAtSize("under-load", ROWS);
    sql = postgres(database.url, { max: 1, onnotice: () => {} });
    fileBefore = await tableFile();
    const workers = augustWorkers(database.url, 4);
    await until(
      "workers work",
      () => Promise.resolve(workers.met.completed > 3),
    );
    claimedBefore = workers.met.claimed;
    const begin = performance.now();
    await applyMigrations(database.url);
    const seconds = (performance.now() - begin) / 1000;
    met = await workers.stop();
    if (process.env["UPGRADE_ROWS"] !== undefined) {
      console.log(
        `${ROWS} rows: upgraded in ${seconds.toFixed(0)} s; longest claim ` +
          `or completion ${met.longestMs.toFixed(0)} ms; ` +
          `${met.claimed - claimedBefore} claims meanwhile`,
      );
    }
    await pauseJobs(database.adminUrl);
  }, PATIENCE_MS);
  afterAll(async () => {
    await sql?.end();
    await database?.discard();
  });

  it("lets nobody wait for a lock until it gives up", () => {
    expect(met.errors).toEqual([]);
    expect(met.claimed).toBeGreaterThan(claimedBefore);
    expect(met.completed).toBe(met.claimed);
  });

  it("does not write the table anew", async () => {
    expect(await tableFile()).toEqual(fileBefore);
  });

  it("keeps every row and fills in what was null", async () => {
    const [found] = await sql`
      select
        count(*)::integer as rows,
        count(*) filter (where user_id is null and project_id is not null)::integer
          as "withoutOwner",
        count(*) filter (where status in ('Queued', 'In Progress') and readiness is null)::integer
          as "withoutStanding",
        count(*) filter (where status = 'Queued' and dependant_on is not null
          and not exists (select from fairlane_core.task_dependencies as d where d.task_id = t.id))::integer
          as "withoutDependency"
      from public.tasks as t
    `;
    expect(found).toEqual({
      rows: ROWS + met.enqueued.length,
      withoutOwner: 0,
      withoutStanding: 0,
      withoutDependency: 0,
    });
    const [running] = await sql`
      select count(*)::integer as count
      from public.tasks where status = 'In Progress' and readiness <> 'active'
    `;
    expect(running).toEqual({ count: 0 });
  });

  it("takes in what was enqueued meanwhile", async () => {
    const [found] = await sql<{ owned: number; late: number; cloud: number }[]>`
      with enqueued as (
        select t.created_at, t.run_type, t.user_id = p.user_id as is_owned
        from public.tasks as t
          join public.projects as p on p.id = t.project_id
        where t.id = any (${met.enqueued})
      )
      select
        count(*) filter (where is_owned)::integer as owned,
        count(*) filter (where run_type = 'cloud')::integer as cloud,
        count(*) filter (where run_type is null and created_at > (
          select min(created_at) from enqueued where run_type = 'cloud'
        ))::integer as late
      from enqueued
    `;
    // Before the column was there, nobody could say.
    expect(found).toMatchObject({ owned: met.enqueued.length, late: 0 });
    expect(found?.cloud).toBeGreaterThan(0);
  });

  it("counts the families that were under way", async () => {
    const [found] = await sql`
      select
        count(*)::integer as families,
        count(*) filter (where o.complete_count > 0 and o.open_count + o.complete_count > 2)::integer as "underWay"
      from fairlane_core.orchestrations as o
    `;
    // One in a thousand, less those whose child or parent has no project.
    expect(found?.["families"]).toBeGreaterThan(ROWS / 1000 * 0.8);
    expect(found?.["underWay"]).toBeGreaterThan(0);
  });

  it("has counters that say what the rows say", async () => {
    expect(await counterDrift(sql)).toEqual([]);
  }, PATIENCE_MS);

  it("has the schema of a fresh install", async () => {
    expect((await differencesFromFresh(database.url)).join("\n")).toBe("");
  });

  /** Changes when the table is rewritten. */
  async function tableFile(): Promise<unknown> {
    const [row] = await sql`
      select pg_relation_filenode('public.tasks') as file
    `;
    return row;
  }
});
