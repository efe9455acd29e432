import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  admin,
  adminConnection,
  as,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { childOf } from "../support/fleet-words.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { claim, complete, SERVICE } from "../support/operations.ts";
import { pidOf, until, untilBlocked } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

// One statement completes a plain task. While it waits for the owner it sees nothing that others commit.
describe("what comes while a plain completion waits for the owner", () => {
  it("a first task in another pool finds the slot that has become free", async () => {
    const owner = await createOwner({ maxInProgress: 1 });
    const id = await running(owner);
    const wanted = await beside(id, (sql) =>
      sql<{ id: string }[]>`
        insert into public.tasks (task_type, project_id) values ('edit_image', ${owner.projectId}) returning id
      `);

    expect(await readTask(id)).toMatchObject({ status: "Complete" });
    expect(await counterDrift()).toEqual([]);
    const task = await claim(as("service_role"), "w", { p_run_type: "api" });
    expect(task?.task_id).toBe(wanted);
  });

  it("a dependent can run", async () => {
    const owner = await createOwner();
    const id = await running(owner);
    const dependent = await beside(id, (sql) =>
      sql<{ id: string }[]>`
        insert into public.tasks (task_type, project_id, dependant_on)
        values ('clip', ${owner.projectId}, ${id}) returning id
      `);

    expect(await readTask(id)).toMatchObject({ status: "Complete" });
    expect(await readTask(dependent)).toMatchObject({ readiness: "ready" });
    expect(await counterDrift()).toEqual([]);
  });

  it("a task that becomes part of something counts there", async () => {
    const owner = await createOwner();
    const whole = await createTask(owner, { task_type: "film_orchestrator" });
    const id = await running(owner);
    await beside(id, (sql) =>
      sql<{ id: string }[]>`
        update public.tasks set params = ${
        sql.json(childOf(whole))
      } where id = ${id} returning id
      `);

    const families = await admin()`
      select open_count, complete_count from fairlane_core.orchestrations where orchestrator_id = ${whole}
    `;
    expect([...families]).toEqual([{ open_count: 0, complete_count: 1 }]);
    expect(await counterDrift()).toEqual([]);
  });
});

describe("a completion over the API", () => {
  beforeEach(() => setLockWait());
  afterEach(resetLockWait);

  it("waits for the owner as long as any report does", async () => {
    const owner = await createOwner();
    const id = await running(owner);
    const [holder, worker] = [adminConnection(), as("service_role")];
    await holder`begin`;
    await holder`
      select from fairlane_core.user_slots where user_id = ${owner.id} for no key update
    `;
    const pid = await pidOf(worker);
    const pending = complete(worker, id);
    await untilBlocked(pid);
    // The plain completion gives up soon, and the careful one waits again.
    const first = await waitsSince(pid);
    await until("it waits again", async () => {
      const since = await waitsSince(pid);
      return since !== undefined && since !== first;
    });
    await holder`rollback`;

    expect(JSON.parse(await pending)).toMatchObject({ status: "Complete" });
    expect(await counterDrift()).toEqual([]);
  });
});

async function running(owner: Owner): Promise<string> {
  const id = await createTask(owner);
  await startTask(id);
  return id;
}

/**
 * Completes a task while another transaction, which inserts for the same owner,
 * is open; the id that it inserted. As the function does it, without its bound
 * on waits: a wait that ends at that bound is done anew, step by step.
 */
async function beside(
  taskId: string,
  insert: (sql: Connection) => Promise<readonly { id: string }[]>,
): Promise<string> {
  const [other, worker] = [adminConnection(), adminConnection()];
  await other`begin`;
  const [row] = await insert(other);
  const pid = await pidOf(worker);
  const pending = worker`
    select fairlane_core.complete_task(
      ${
    JSON.stringify(SERVICE)
  }::text::jsonb, ${taskId}, 'https://files.test/result.mp4', null, null, null, null
    )
  `.execute();
  await untilBlocked(pid);
  await other`commit`;
  await pending;
  return row?.id ?? "";
}

/** When the session began to wait for the lock that it waits for now. */
async function waitsSince(pid: number): Promise<string | undefined> {
  const [row] = await admin()<{ since: string }[]>`
    select waitstart::text as since from pg_catalog.pg_locks where pid = ${pid} and not granted
  `;
  return row?.since;
}
