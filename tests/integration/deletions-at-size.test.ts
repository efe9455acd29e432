/**
 * A user or project with more tasks than one transaction should touch: the
 * deletion is written down, and all of it follows in pieces.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CROWD, settleAll, writtenBy } from "../support/crowd.ts";
import {
  admin,
  adminConnection,
  as,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { holdOwner, holdTasks, isOpen, leaveOpen } from "../support/holding.ts";
import { claim } from "../support/operations.ts";
import { pidOf, untilBlocked } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";
import { childOf } from "../support/fleet-words.ts";

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
        task_type: "film_orchestrator",
      });
      running = await createTask(owner);
      await startTask(running);
      await createTasks(owner, PART);
      await createTasks(owner, PART, { dependant_on: running });
      await createTasks(owner, PART, {
        params: childOf(orchestrator),
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
      const pieces: number[] = [];
      let rest = await left();
      while (rest.work > 0) {
        await admin()`select fairlane_core.settle_deferred()`;
        const after = await left();
        // A piece is results, tasks, or what is left when neither is.
        if (after.tasks < rest.tasks) pieces.push(rest.tasks - after.tasks);
        else if (rest.tasks > 0) {
          expect(after.results).toBeLessThan(rest.results);
        }
        rest = after;
      }
      expect(Math.max(...pieces)).toBeLessThanOrEqual(100);
      expect(pieces.length).toBeGreaterThanOrEqual(CROWD / 100);
      expect(rest.tasks).toBe(0);
    });

    it("does not wait for the holder of its owner", async () => {
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
      await admin()`select fairlane_core.settle_deferred()`;
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
        await admin()`update public.tasks set status = 'Cancelled' where readiness = 'ready'`;
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
      select id::integer from fairlane_core.deferred_work
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
        (select count(*) from fairlane_core.deferred_work)::integer as work
    `;
      return counts!;
    }
  },
);

describe("a user who is deleted while", () => {
  const makes = {
    token: (sql: Connection) => sql`select public.create_api_token()`,
    project: (sql: Connection) =>
      sql`insert into public.projects (user_id) values (${owner.id})`,
  };
  let user: Connection;
  let app: Connection;

  beforeEach(async () => {
    await createTasks(owner, CROWD);
    user = as("authenticated", { sub: owner.id });
    app = adminConnection();
  });

  it("a token is being made loses it with the others", async () => {
    await user`begin`;
    await makes.token(user);
    const pid = await pidOf(app);
    const deletion = remove(app).then(() => "done");
    await untilBlocked(pid);
    await user`commit`;
    expect(await deletion).toBe("done");
    expect([...await admin()`select from public.user_api_tokens`]).toEqual([]);
  });

  it.each(["token", "project"] as const)(
    "a %s is asked for does not get it",
    async (what) => {
      await app`begin`;
      await remove(app);
      const pid = await pidOf(user);
      const refusal = makes[what](user)
        .then(() => "made", (error: { code: string }) => error.code);
      await untilBlocked(pid);
      await app`commit`;
      expect(await refusal).toBe("PT403");
    },
  );

  function remove(sql: Connection): Promise<unknown> {
    return sql`delete from public.users where id = ${owner.id}`;
  }
});

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
      lease_token = gen_random_uuid(), claimed_at = fairlane_core.now()
    where id = any (${ids}::uuid[])
  `;
  await admin()`
    update public.tasks set status = 'Complete', output_location = 'https://x'
    where id = any (${ids}::uuid[])
  `;
}
