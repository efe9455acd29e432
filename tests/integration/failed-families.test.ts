/**
 * The children in line fail with a family that has failed, also those that
 * somebody is just taking; and the switch for it, which is on for the fleet.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin, adminConnection, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { claim, complete, report } from "../support/operations.ts";
import { deadlocks } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import { interleave } from "./interleave.ts";
import { childOf } from "../support/fleet-words.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  await setLockWait();
  owner = await createOwner({ maxInProgress: 50 });
});
afterEach(async () => {
  await closeConnections();
  await resetLockWait();
  await admin()`update fairlane_core.settings set fails_siblings = default`;
});

describe("a queued child whose sibling fails", () => {
  it("runs and finishes if a claim took it before", async () => {
    const { running: [one = ""], queued: [next = ""] } = await family(1, 1);
    await interleave(
      (sql) => claim(sql, "gpu-2"),
      (sql) => report(sql, one, "Failed"),
    );
    expect(await readTask(next)).toMatchObject({ status: "In Progress" });
    await complete(admin(), next);
    expect(await readTask(next)).toMatchObject({ status: "Complete" });
  });

  it("is not handed out to a claim that comes after", async () => {
    const { running: [one = ""], queued: [next = ""] } = await family(1, 1);
    let answer: unknown;
    await interleave(
      (sql) => report(sql, one, "Failed"),
      async (sql) => answer = await claim(sql, "gpu-2"),
    );
    expect(answer).toBeNull();
    expect(await readTask(next)).toMatchObject({
      status: "Failed",
      attempts: 0,
    });
  });

  it("fails once, when two fail together", async () => {
    const { id, running: [one = "", two = ""], queued } = await family(2, 20);
    await interleave(
      (sql) => report(sql, one, "Failed"),
      (sql) => report(sql, two, "Failed"),
    );
    expect(await statuses([id, one, two, ...queued])).toEqual(["Failed"]);
    const told = await admin()`
      select from public.task_events where to_status = 'Failed'
    `;
    expect(told).toHaveLength(23);
  });
});

it("families that fail beside claims, results and jobs lock nobody out", async () => {
  const before = await deadlocks();
  const families = await Promise.all(
    Array.from({ length: 6 }, () => family(3, 6)),
  );
  // What hangs on a child from outside fails, too.
  for (const { queued: [awaited] } of families) {
    await createTask(owner, { dependant_on: awaited });
  }
  const sessions = families.map(() => adminConnection());
  const job = adminConnection();
  await Promise.all([
    ...families.map(
      async ({ running: [one = "", two = "", three = ""] }, at) => {
        const sql = sessions[at]!;
        await complete(sql, two);
        await report(sql, one, "Failed");
        await claim(sql, `gpu-${at}`);
        await report(sql, three, "Failed");
      },
    ),
    (async () => {
      for (let i = 0; i < 6; i++) {
        await job`select fairlane_core.settle_deferred()`;
        await job`select fairlane_core.repair_orchestrations()`;
      }
    })(),
  ]);
  await admin()`select fairlane_core.settle_deferred()`;
  await admin()`select fairlane_core.repair_orchestrations()`;
  await admin()`select fairlane_core.settle_deferred()`;
  expect(await statuses(families.map(({ id }) => id))).toEqual(["Failed"]);
  // A claim may have taken a child before its family failed: it runs on, and
  // what waits for it goes on waiting.
  const queued = await admin()`
    select t.id
    from public.tasks as t
    where t.status = 'Queued'
      and not exists (
        select
        from public.tasks as d
        where d.id = t.dependant_on and d.status = 'In Progress'
      )
  `;
  expect(queued).toEqual([]);
  expect(await counterDrift()).toEqual([]);
  expect(await deadlocks([...sessions, job])).toBe(before);
});

/** A family that has enqueued everything; so many run, so many wait. */
async function family(running: number, queued: number) {
  const id = await createTask(owner, { task_type: "film_orchestrator" });
  await startTask(id, `orchestrates-${id}`);
  const params = childOf(id);
  const children = await createTasks(owner, running + queued, { params });
  for (const child of children.slice(0, running)) {
    await startTask(child, `runs-${child}`);
  }
  await report(admin(), id, "In Progress", {
    p_output_location: "Successfully enqueued everything",
  });
  return {
    id,
    running: children.slice(0, running),
    queued: children.slice(running),
  };
}

/** Each status that one of them has. */
async function statuses(ids: readonly string[]): Promise<unknown[]> {
  const rows = await Promise.all(ids.map(readTask));
  return [...new Set(rows.map(({ status }) => status))];
}
