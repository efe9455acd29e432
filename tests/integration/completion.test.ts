import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  admin,
  adminConnection,
  as,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { claim, complete, patchReset, report } from "../support/operations.ts";
import { deadlocks, pidOf, untilBlocked } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  createTasks,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("complete_task() at once with", () => {
  it("itself: one generation, the same reply to all", async () => {
    const owner = await createOwner();
    const sessions = Array.from({ length: 3 }, () => as("service_role"));
    for (let round = 0; round < 10; round++) {
      const id = await createTask(owner);
      await startTask(id);
      const replies = await Promise.all(
        sessions.map((sql) => complete(sql, id)),
      );
      expect(new Set(replies).size).toBe(1);
      expect(await generationsOf(id)).toHaveLength(1);
    }
    expect(await counterDrift()).toEqual([]);
  });

  it("a completion with another output: task and record agree", async () => {
    const id = await runningTask();
    await interleave(
      (sql) => complete(sql, id, { p_output_location: "first" }),
      (sql) => complete(sql, id, { p_output_location: "second" }),
    );
    expect(await readTask(id)).toMatchObject({
      status: "Complete",
      output_location: "first",
    });
    expect(await generationsOf(id)).toEqual(["first"]);
  });

  it("a failure that comes second: the result stays", async () => {
    const id = await runningTask();
    await interleave(
      (sql) => complete(sql, id),
      (sql) => report(sql, id, "Failed", { p_error_message: "too late" }),
    );
    expect(await readTask(id)).toMatchObject({ status: "Complete" });
    expect(await generationsOf(id)).toHaveLength(1);
  });

  it("a failure that came first: it is not resurrected", async () => {
    const id = await runningTask();
    const [, reply] = await interleave(
      (sql) => report(sql, id, "Failed", { p_error_message: "broken" }),
      (sql) => complete(sql, id),
    );
    expect(JSON.parse(reply)).toMatchObject({ status: "Failed" });
    expect(await readTask(id)).toMatchObject({
      status: "Failed",
      error_message: "broken",
    });
    expect(await generationsOf(id)).toEqual([]);
  });

  it("a direct reset of many: the finished row stays as it is", async () => {
    const [finished, running] = [await runningTask(), await runningTask()];
    const [, reset] = await interleave(
      (sql) => complete(sql, finished),
      (sql) => patchReset(sql, [finished, running]),
    );
    expect(reset).toEqual([running]);
    expect(await readTask(finished)).toMatchObject({ status: "Complete" });
    expect(await readTask(running)).toMatchObject({
      status: "Queued",
      worker_id: null,
      error_message: "Reset - orphaned from failed worker",
    });
  });

  it("a reset that came first: the late result counts, once", async () => {
    const id = await runningTask();
    await interleave(
      (sql) => patchReset(sql, [id]),
      (sql) => complete(sql, id),
    );
    expect(await readTask(id)).toMatchObject({ status: "Complete" });
    expect(await generationsOf(id)).toHaveLength(1);
    expect(await claim(as("service_role"), "worker-late")).toBeNull();
  });

  it("nothing, after a requeue: the new result takes the record's place", async () => {
    const id = await runningTask();
    const sql = as("service_role");
    await complete(sql, id, { p_output_location: "first" });
    await admin()`
      update public.tasks
      set status = 'Queued', requeue_count = requeue_count + 1
      where id = ${id}
    `;
    await startTask(id);
    await complete(sql, id, { p_output_location: "second" });
    expect(await generationsOf(id)).toEqual(["second"]);
    expect((await readTask(id))["output_location"]).toBe("second");
  });

  it("a claim of the same user: neither waits for ever", async () => {
    const owner = await createOwner({ maxInProgress: 1 });
    const [first = "", second = ""] = await createTasks(owner, 2);
    await startTask(first);
    const [, task] = await interleave(
      (sql) => complete(sql, first),
      async (sql) => {
        // Reading under the user's lock is where a claim would wait.
        await sql`
          select from fairlane_core.user_slots
          where user_id = ${owner.id}
          for no key update
        `;
        return await claim(sql, "worker-next");
      },
    );
    expect(task).toMatchObject({ task_id: second });
  });
});

async function runningTask(): Promise<string> {
  const id = await createTask(await createOwner());
  await startTask(id, `worker-of-${id}`);
  return id;
}

async function generationsOf(taskId: string): Promise<string[]> {
  const rows = await admin()<{ location: string }[]>`
    select location from public.generations where task_id = ${taskId}
  `;
  return rows.map((row) => row.location);
}

/**
 * The first step is taken and not committed, the second begun until it waits;
 * then the first commits. Both results.
 */
async function interleave<A, B>(
  first: (sql: Connection) => Promise<A>,
  second: (sql: Connection) => Promise<B>,
): Promise<[A, B]> {
  const deadlocksBefore = await deadlocks();
  const [one, two] = [adminConnection(), adminConnection()];
  const pid = await pidOf(two);
  await one`begin`;
  const a = await first(one);
  const pending = second(two);
  await untilBlocked(pid);
  await one`commit`;
  const b = await pending;
  expect(await deadlocks([one, two])).toBe(deadlocksBefore);
  expect(await counterDrift()).toEqual([]);
  return [a, b];
}
