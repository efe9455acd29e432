/**
 * A user or project with more tasks than one transaction should touch: the
 * deletion is written down, and all of it follows in pieces.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CROWD, settleAll, writtenBy } from "../support/crowd.ts";
import { admin, as, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { holdOwner, holdTasks, isOpen, leaveOpen } from "../support/holding.ts";
import { claim } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

/** What a deletion may write, whatever hangs on its row. */
const FEW_ROWS = 40;
/** Each kind of task, to be as many together. */
const PART = Math.ceil(CROWD / 3);

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner({ maxInProgress: 5 });
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe.each(["users", "projects"])(
  `one of %s with ${CROWD} tasks`,
  (table) => {
    let running: string;

    beforeEach(async () => {
      const orchestrator = await createTask(owner, {
        task_type: "travel_orchestrator",
      });
      running = await createTask(owner);
      await startTask(running);
      await createTasks(owner, PART);
      await createTasks(owner, PART, { dependant_on: running });
      await createTasks(owner, PART, {
        params: { orchestrator_task_id_ref: orchestrator },
      });
      await complete(PART);
    });

    it("is deleted in constant time, and all of it follows", async () => {
      expect(await writtenBy(as("service_role"), remove)).toBeLessThan(
        FEW_ROWS,
      );
      await settleAll();
      expect(await left()).toEqual({ rows: 0, tasks: 0, results: 0, work: 0 });
      expect(await counterDrift()).toEqual([]);
    });

    it("goes in transactions that touch a hundred tasks each", async () => {
      await remove(admin());
      const before = (await left()).tasks;
      await admin()`select queue.settle_deferred()`;
      expect(before - (await left()).tasks).toBeLessThanOrEqual(100);
      await settleAll();
      expect((await left()).tasks).toBe(0);
    });

    it("waits for nobody who holds its owner", async () => {
      await remove(admin());
      const holder = await holdOwner(owner);
      expect(await settleAll()).toBe(0);
      expect(await isOpen(holder)).toBe(true);
      await holder`rollback`;
      await settleAll();
      expect((await left()).rows).toBe(0);
    });

    it("goes around a task that somebody holds, and takes it later", async () => {
      await remove(admin());
      const holder = await holdTasks(running);
      await settleAll();
      expect(await isOpen(holder)).toBe(true);
      expect(await left()).toMatchObject({ rows: 1, work: 1 });
      await holder`rollback`;
      await settleAll();
      expect(await left()).toEqual({ rows: 0, tasks: 0, results: 0, work: 0 });
    });

    it("is tried once a call while somebody holds the row itself", async () => {
      await remove(admin());
      const holder = await leaveOpen((sql) =>
        sql`select from public.${sql(table)} for key share`
      );
      await settleAll();
      expect(await left()).toEqual({ rows: 1, tasks: 0, results: 0, work: 1 });
      // Who is tried goes to the back of the line.
      const before = await place();
      await admin()`select queue.settle_deferred()`;
      expect(await place()).toBe(before + 1);
      expect(await isOpen(holder)).toBe(true);
      await holder`rollback`;
      await settleAll();
      expect((await left()).rows).toBe(0);
    });

    it("needs no job: claims that find nothing go on with it", async () => {
      await remove(admin());
      const before = await left();
      for (let i = 0; i < 20; i++) {
        await admin()`update public.tasks set status = 'Cancelled' where standing = 'ready'`;
        await claim(as("service_role"), "idle-worker");
      }
      const after = await left();
      expect(after.tasks + after.results)
        .toBeLessThan(before.tasks + before.results);
    });

    function remove(sql: ReturnType<typeof admin>): Promise<unknown> {
      const id = table === "users" ? owner.id : owner.projectId;
      return sql`delete from public.${sql(table)} where id = ${id}`;
    }

    /** Where in line the work is. */
    async function place(): Promise<number> {
      const [work] = await admin()<{ id: number }[]>`
      select id::integer from queue.deferred_work
    `;
      return work!.id;
    }

    async function left(): Promise<Left> {
      const sql = admin();
      const id = table === "users" ? owner.id : owner.projectId;
      const [counts] = await sql<Left[]>`
      select
        (select count(*) from public.${
        sql(table)
      } where id = ${id})::integer as rows,
        (select count(*) from public.tasks)::integer as tasks,
        (select count(*) from public.generations)::integer as results,
        (select count(*) from queue.deferred_work)::integer as work
    `;
      return counts!;
    }
  },
);

/** What is left of the owner. */
interface Left {
  readonly rows: number;
  readonly tasks: number;
  readonly results: number;
  readonly work: number;
}

/** Results of finished tasks, as many. */
async function complete(count: number): Promise<void> {
  const ids = await createTasks(owner, count);
  await admin()`
    update public.tasks
    set status = 'In Progress', worker_id = 'gpu-of-old',
      lease_token = gen_random_uuid(), claimed_at = queue.now()
    where id = any (${ids}::uuid[])
  `;
  await admin()`
    update public.tasks set status = 'Complete', output_location = 'https://x'
    where id = any (${ids}::uuid[])
  `;
}
