import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin, adminConnection, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { runAsScheduled } from "../support/scheduled-jobs.ts";
import { size } from "../support/size.ts";
import {
  createOwner,
  createTask,
  createTasks,
  reset,
} from "../support/world.ts";
import { ExplainedSession, forEmptyLists } from "./explained-session.ts";

/** As many owners as fairlane_core.run_batch counts again in one transaction. */
const BATCH = 5;
const OWNERS = 2 * BATCH + 1;
const MANY = size(2_000, 20_000);

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("the job that repairs drift", () => {
  it("commits after every few owners, and says how many they were", async () => {
    for (let i = 0; i < OWNERS; i++) await createTask(await createOwner());
    await admin()`update fairlane_core.user_slots set running = 7`;
    expect(await counterDrift()).not.toEqual([]);

    await runAsScheduled(admin(), "fairlane-reconcile");

    expect(await counterDrift()).toEqual([]);
    const [found] = await admin()`
      select count(*)::integer as owners,
        -- Which transaction wrote the row.
        count(distinct s.xmin::text)::integer as batches
      from fairlane_core.user_slots as s
    `;
    expect(found).toEqual({ owners: OWNERS, batches: 3 });
    const [run] = await admin()`
      select result, error from fairlane_core.job_runs where job = 'reconcile'
    `;
    expect(run).toMatchObject({ result: { repaired: OWNERS } });
  });

  it("reads the tasks of an owner, not those of all", async () => {
    const [owner, other] = [await createOwner(), await createOwner()];
    await createTask(owner);
    const session = new ExplainedSession();
    const tasksReadBeside = async (count: number) => {
      await createTasks(other, count, { run_type: null });
      const explained = await session.explain<unknown>((sql) =>
        sql`select fairlane_core.reconcile_owners(array[${owner.id}]::uuid[])`
      );
      expect(forEmptyLists(explained)).toEqual([]);
      // Not pages: those that tell what the tables are come and go with the
      // session's memory of them.
      return explained.nodes.filter(({ table = "" }) =>
        /^tasks(_|$)/.test(table)
      )
        .reduce((sum, { rows }) => sum + rows, 0);
    };
    const few = await tasksReadBeside(100);
    expect(few).toBeGreaterThan(0);
    expect(await tasksReadBeside(MANY)).toBeLessThanOrEqual(few);
    await session.end();
  });

  it("leaves an owner who is being served for the next time", async () => {
    const [busy, other] = [await createOwner(), await createOwner()];
    for (const owner of [busy, other]) await createTask(owner);
    await admin()`update fairlane_core.user_slots set running = 7`;

    const holder = adminConnection();
    await holder`begin`;
    await holder`
      select from fairlane_core.user_slots where user_id = ${busy.id} for update
    `;
    await runAsScheduled(admin(), "fairlane-reconcile");
    await holder`rollback`;

    const drifting =
      await admin()`select distinct user_id from fairlane_core.drift()`;
    expect([...drifting]).toEqual([{ user_id: busy.id }]);
  });
});
