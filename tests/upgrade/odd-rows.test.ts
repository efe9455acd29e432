import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { counterDrift } from "../support/drift.ts";
import { applyMigrations } from "../support/old-database.ts";
import { pauseJobs } from "../support/pause-jobs.ts";
import { makeSchemaByHand } from "./by-hand.ts";
import { differencesFromFresh } from "./like-a-fresh-install.ts";
import { fillAtSize } from "./old-database-at-size.ts";
import type { Row } from "./rows.ts";

// Stands for whoever has rows that nobody would write today: states that are none, params that are no object, times without
// end, tasks that wait for themselves. The upgrade takes them, and whatever is queued or runs can still end.

const JOBS = [
  ...[
    "rescue",
    "sweep",
    "repair_orchestrations",
    "advance_status_totals",
    "reconcile",
  ],
  ...["cleanup", "purge", "settle"],
];

describe("an upgrade of odd rows", () => {
  let database: ThrowAwayDatabase;
  let sql: postgres.Sql;
  let before: Row[];

  beforeAll(async () => {
    const workDir = join(checkoutDir, ".stack", "test-upgrade");
    database = await makeThrowAwayDatabase(workDir, "odd-rows", true);
    sql = postgres(database.url, { max: 1, onnotice: () => {} });
    await makeSchemaByHand(sql);
    await fillAtSize(sql, 2_000);
    const file = new URL("./odd-rows.sql", import.meta.url);
    await sql.unsafe(readFileSync(file, "utf8"));
    before = await rows();
    await applyMigrations(database.url);
    await pauseJobs(database.adminUrl);
  }, 300_000);
  afterAll(async () => {
    await sql?.end();
    await database?.discard();
  });

  it("keeps each of them as it was", async () => {
    expect(before.length).toBeGreaterThan(2_800);
    expect(await rows()).toEqual(before);
  });

  it("ends with the schema of a fresh install, and nothing that does not agree", async () => {
    expect((await differencesFromFresh(database.url)).join("\n")).toBe("");
    await settleAll();
    await expectAgreement();
  });

  it("lets every task that has not ended be ended", async () => {
    const live = () =>
      sql<{ status: string }[]>`
        select distinct status::text as status from public.tasks
        where readiness is not null and id::text not like '0b%' order by 1
      `.then((found) => found.map(({ status }) => status));
    expect(await live()).toEqual(["In Progress", "Queued"]);
    await sql`
      update public.tasks set status = 'Failed', error_message = 'over'
      where status = 'In Progress' and id::text not like '0b%'
    `;
    await sql`
      update public.tasks set status = 'Cancelled'
      where status = 'Queued' and id::text not like '0b%'
    `;
    await settleAll();
    expect(await live()).toEqual([]);
    await expectAgreement();
  });

  it("lets every job run, and an owner of odd rows go on", async () => {
    for (const job of JOBS) {
      const [ran] = await sql<{ result: object }[]>`
        select fairlane_core.run_job(${job}) as result
      `;
      expect(ran?.result, job).not.toHaveProperty("error");
    }
    const owner = "0e000000-0000-4000-8000-000000000012";
    const [task] = await sql`
      insert into public.tasks (task_type, project_id)
      values ('travel_segment', ${owner}) returning id
    `;
    const [done] = await sql<{ id: string; status: string }[]>`
      with claim as materialized (
        select public.claim_next_task('{"kind": "service"}', 'gpu-after') ->> 'task_id' as id
      )
      select c.id, public.complete_task(
        '{"kind": "service"}', c.id::uuid, 'https://files.test/after.mp4'
      ) ->> 'status' as status
      from claim as c
    `;
    expect(done).toEqual({ id: task?.["id"], status: "Complete" });
    await expectAgreement();
  });

  async function expectAgreement(): Promise<void> {
    expect(await sql`select * from fairlane_core.drift()`).toEqual([]);
    expect(await counterDrift(sql)).toEqual([]);
  }

  async function settleAll(): Promise<void> {
    for (let left = 1; left > 0;) {
      await sql`select fairlane_core.settle_deferred()`;
      const [row] = await sql<{ left: number }[]>`
        select count(*)::integer as left from fairlane_core.deferred_work
      `;
      left = row?.left ?? 0;
    }
  }

  /** What the upgrade may change of no task; a null in place of a default is none. */
  async function rows(): Promise<Row[]> {
    return [
      ...await sql<Row[]>`
        select
          t.id, coalesce(t.status::text, 'Queued') as status, t.task_type, t.project_id, t.dependant_on,
          coalesce(t.params, '{}')::text as params, coalesce(t.attempts, 0) as attempts, t.output_location,
          t.error_details, t.updated_at::text, t.result_data::text
        from public.tasks as t order by t.id
      `,
    ];
  }
});
