import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { countByState, CROWD, settleAll, writtenBy } from "../support/crowd.ts";
import {
  admin,
  adminConnection,
  as,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { claim, complete, report } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";
import { childOf } from "../support/fleet-words.ts";

/** What an ending may write, whatever hangs on its row. */
const FEW_ROWS = 40;

let owner: Owner;
let ended: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  ended = await createTask(owner);
  await startTask(ended);
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe(`a task that ${CROWD} wait for`, () => {
  beforeEach(() => createTasks(owner, CROWD, { dependant_on: ended }));

  it("completes in constant time, and all of them run", async () => {
    const rows = await writtenBy(
      as("service_role"),
      (sql) => complete(sql, ended),
    );
    expect(rows).toBeLessThan(FEW_ROWS);
    // The repetition of a completion whose reply was lost.
    await complete(as("service_role"), ended);
    await settleAll();
    expect(await countByState()).toEqual({
      Complete: 1,
      "Queued ready": CROWD,
    });
    expect(await counterDrift()).toEqual([]);
  });

  it.each(["Failed", "Cancelled"])(
    "ends %s in constant time, and all of them with it",
    async (status) => {
      const rows = await writtenBy(
        as("service_role"),
        (sql) => report(sql, ended, status),
      );
      expect(rows).toBeLessThan(FEW_ROWS);
      expect(await claim(as("service_role"), "nobody-gets-one")).toBeNull();
      await settleAll();
      expect(await countByState()).toEqual({ [status]: CROWD + 1 });
      expect(await counterDrift()).toEqual([]);
    },
  );

  it("is deleted in constant time, and all of them end", async () => {
    const rows = await writtenBy(
      as("service_role"),
      (sql) => sql`delete from public.tasks where id = ${ended}`,
    );
    expect(rows).toBeLessThan(FEW_ROWS);
    await settleAll();
    expect(await countByState()).toEqual({ Cancelled: CROWD });
  });

  it("needs no job: claims that find nothing let them go", async () => {
    await complete(as("service_role"), ended);
    const worker = as("service_role");
    const task = await claim(worker, "idle-worker");
    expect(task).not.toBeNull();
    const { "Queued ready": ready } = await countByState();
    expect(ready).toBe(99);
  });

  it("may be requeued before they have ended with it", async () => {
    await report(as("service_role"), ended, "Failed");
    await admin()`select fairlane_core.settle_deferred(100)`;
    await admin()`select public.requeue_tasks(array[${ended}::uuid])`;
    await settleAll();
    expect(await countByState()).toEqual({
      Failed: 100,
      "Queued dependency_pending": CROWD - 100,
      "Queued ready": 1,
    });
  });
});

describe(`an orchestrator with ${CROWD} children`, () => {
  let orchestrator: string;

  beforeEach(async () => {
    orchestrator = await createTask(owner, {
      task_type: "film_orchestrator",
    });
    await startTask(orchestrator, "worker-of-the-family");
    await createTasks(owner, CROWD, {
      params: childOf(orchestrator),
    });
  });

  it("is cancelled in constant time, and they with it", async () => {
    await endsWithChildren((sql) => report(sql, orchestrator, "Cancelled"));
    expect(await countByState()).toEqual({
      Cancelled: CROWD + 1,
      "In Progress active": 1,
    });
  });

  it("is deleted in constant time, and they end", async () => {
    await endsWithChildren((sql) =>
      sql`delete from public.tasks where id = ${orchestrator}`
    );
    expect(await countByState()).toEqual({
      Cancelled: CROWD,
      "In Progress active": 1,
    });
  });

  it.each(["Complete", "Failed"])("ends %s in constant time", async (end) => {
    const rows = await writtenBy(
      as("service_role"),
      (sql) =>
        end === "Complete"
          ? complete(sql, orchestrator)
          : report(sql, orchestrator, end),
    );
    expect(rows).toBeLessThan(FEW_ROWS);
  });

  it("loses a child of many in constant time", async () => {
    const [child] = await admin()<{ id: string }[]>`
      select task_id as id from fairlane_core.subtasks limit 1
    `;
    await startTask(child!.id, "worker-of-the-child");
    const rows = await writtenBy(
      as("service_role"),
      (sql) => report(sql, child!.id, "Failed"),
    );
    expect(rows).toBeLessThan(FEW_ROWS);
  });

  it("fails, and the queued ones follow by themselves, a bounded number at a time", async () => {
    await report(admin(), orchestrator, "In Progress", {
      p_output_location: "Successfully enqueued all of them",
    });
    const [child] = await admin()<{ id: string }[]>`
      select task_id as id from fairlane_core.subtasks limit 1
    `;
    await startTask(child!.id, "worker-of-the-child");
    await endsWithChildren((sql) => report(sql, child!.id, "Failed"));
    expect(await countByState()).toEqual({
      Failed: CROWD + 1,
      "In Progress active": 1,
    });
  });

  async function endsWithChildren(
    end: (sql: Connection) => Promise<unknown>,
  ): Promise<void> {
    const rows = await writtenBy(as("service_role"), end);
    expect(rows).toBeLessThan(FEW_ROWS);
    await settleAll();
    expect(await counterDrift()).toEqual([]);
  }
});

describe("tasks of somebody else that name a running one", () => {
  it("are neither touched nor waited for by its end", async () => {
    const stranger = await createOwner();
    await createTasks(stranger, CROWD, { dependant_on: ended });
    const other = adminConnection();
    await other`begin`;
    await other`
      select from public.tasks where user_id = ${stranger.id} for update
    `;
    const worker = as("service_role");
    await worker`set lock_timeout = '10s'`;
    const rows = await writtenBy(worker, (sql) => complete(sql, ended));
    expect(rows).toBeLessThan(FEW_ROWS);
    await settleAll();
    await other`rollback`;
    expect(await countByState()).toEqual({
      Complete: 1,
      "Queued dependency_lost": CROWD,
    });
    const [touched] = await admin()`
      select count(*)::integer from public.tasks
      where user_id = ${stranger.id} and updated_at > created_at
    `;
    expect(touched).toEqual({ count: 0 });
  });

  it("do not hold up a task that comes under the id they named", async () => {
    const stranger = await createOwner();
    const id = crypto.randomUUID();
    await createTasks(stranger, 10, { dependant_on: id });
    const other = adminConnection();
    await other`begin`;
    await other`
      select from public.tasks where user_id = ${stranger.id} for update
    `;
    await admin()`set lock_timeout = '10s'`;
    await createTask(owner, { id });
    await other`rollback`;
    await admin()`reset lock_timeout`;
  });
});
