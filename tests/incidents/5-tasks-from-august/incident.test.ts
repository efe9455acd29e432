import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import { ClaimedTask } from "../../../shared/claim.ts";
import {
  applyFirstMigration,
  type UpgradedStack,
  upgradeOldDatabase,
} from "../../support/old-database.ts";
import {
  fillOrphans,
  fillOwner,
  OLD,
  ORPHANS,
} from "../../support/old-rows.ts";
import { claimOn, countOn } from "../../support/other-stack.ts";

// 2025-10-16, 18:25:42: task-counts answered 51 and the autoscaler went from 0
// to 4 GPU workers, for tasks that no worker could run.

let upgraded: UpgradedStack;
let sql: postgres.Sql;

beforeAll(async () => {
  upgraded = await upgradeOldDatabase(
    "incident-5",
    (_sql, url) => applyFirstMigration(url),
    async (old) => {
      await fillOwner(old);
      await fillOrphans(old);
      await expectTheIncident(old);
    },
  );
  sql = postgres(upgraded.dbUrl, { max: 1, onnotice: () => {} });
});

afterAll(async () => {
  await sql?.end();
  await upgraded?.discard();
});

describe("51 tasks from August 2025", () => {
  it("are still there, with their owner and nothing else made up", async () => {
    const rows = await sql`
      select user_id, run_type, status, attempts, count(*)::integer
      from public.tasks
      group by 1, 2, 3, 4
    `;
    expect([...rows]).toEqual([{
      user_id: OLD.user,
      run_type: null,
      status: "Queued",
      attempts: 0,
      count: ORPHANS,
    }]);
  });

  it("are 0 to the call that counted 51, with the reason", async () => {
    const counts = await countOn(upgraded);
    expect(counts.totals).toMatchObject({
      queued_only: 0,
      eligible_queued: 0,
      active_only: 0,
      queued_plus_active: 0,
    });
    expect(counts.available_tasks).toBe(0);
    expect(counts.queued_tasks).toEqual([]);
    expect(counts.blocked).toEqual({ no_run_type: ORPHANS });
    expect(counts.suggested_workers).toBe(0);
  });

  it("are handed to nobody", async () => {
    expect((await claimOn(upgraded)).status).toBe(204);
  });

  it("do not hide a normal task beside them", async () => {
    const [task] = await sql<{ id: string }[]>`
      insert into public.tasks (task_type, project_id)
      values ('travel_segment', ${OLD.project})
      returning id
    `;
    const counts = await countOn(upgraded);
    expect(counts.totals.queued_only).toBe(1);
    expect(counts.queued_tasks).toMatchObject([{ task_id: task?.id }]);
    expect(counts.blocked).toEqual({ no_run_type: ORPHANS });

    const reply = await claimOn(upgraded);
    expect(reply.status).toBe(200);
    expect(ClaimedTask.parse(await reply.json()).task_id).toBe(task?.id);
    expect((await claimOn(upgraded)).status).toBe(204);
  });

  it("come with a warning when many are released at once", async () => {
    const RELEASED = 20;
    await sql`select fairlane_core.sweep()`;
    await sql`
      update fairlane_core.settings
      set clock_offset = interval '1 minute', default_task_limit = ${RELEASED}
    `;
    await sql`
      update public.tasks
      set run_type = 'cloud', created_at = fairlane_core.now()
      where id in (
        select id from public.tasks
        where readiness = 'no_run_type' order by created_at limit ${RELEASED}
      )
    `;
    const counts = await countOn(upgraded);
    // One of the owner's slots is taken by the task of the test before.
    expect(counts.totals.queued_only).toBe(RELEASED - 1);
    expect(counts.blocked["no_run_type"]).toBe(ORPHANS - RELEASED);
    expect(counts.warnings.map((warning) => warning.code))
      .toContain("JUMP_FROM_ZERO");
  });

  it("are cancelled by the cleanup, and nothing else is", async () => {
    const before = await statuses();
    expect(before).toMatchObject({ no_run_type: 31, ready: 20, active: 1 });
    await sql`select fairlane_core.run_job('cleanup')`;
    expect(await statuses()).toEqual({ Cancelled: 31, ready: 20, active: 1 });
    const [reason] = await sql`
      select count(*)::integer as tasks
      from public.tasks
      where error_message like
        'Cancelled by the cleanup: enqueued 2025-%, never started (no_run_type)'
    `;
    expect(reason).toEqual({ tasks: 31 });
  });
});

/** How many tasks stand where, or have ended how. */
async function statuses(): Promise<Record<string, number>> {
  const rows = await sql<{ name: string; tasks: number }[]>`
    select coalesce(readiness, status) as name, count(*)::integer as tasks
    from public.tasks
    group by 1
  `;
  return Object.fromEntries(rows.map(({ name, tasks }) => [name, tasks]));
}

/** What is known of them, as of the moment of the incident. */
async function expectTheIncident(old: postgres.Sql): Promise<void> {
  const [row] = await old`
    select
      count(*)::integer as tasks,
      count(*) filter (where created_at < t.at - interval '24 hours')::integer as older,
      count(*) filter (where created_at >= t.at - interval '1 hour')::integer as fresh,
      min(created_at) as oldest,
      array_agg(distinct task_type order by task_type) as types
    from public.tasks, (select '2025-10-16T18:25:42Z'::timestamptz as at) as t
  `;
  expect(row).toEqual({
    tasks: ORPHANS,
    older: 43,
    fresh: 0,
    oldest: new Date("2025-08-12T15:06:09Z"),
    types: ["travel_segment", "travel_stitch"],
  });
}
