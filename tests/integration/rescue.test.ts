import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin, adminConnection, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { runAsScheduled } from "../support/scheduled-jobs.ts";
import {
  createOwner,
  createTasks,
  reset,
  startTask,
} from "../support/world.ts";

/** As many as fairlane_core.run_batch has requeued in one transaction. */
const BATCH = 100;
const LOST = 2 * BATCH + 50;

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);
afterEach(resetClock);

describe("the rescue of more than one batch", () => {
  it("passes over what somebody holds, and goes on", async () => {
    const [held = ""] = await loseTasks();
    const holder = adminConnection();
    await holder`begin`;
    await holder`select from public.tasks where id = ${held} for update`;
    await runAsScheduled(admin(), "fairlane-rescue");
    await holder`rollback`;
    const left = await admin()`
      select id from public.tasks where status = 'In Progress'
    `;
    expect([...left]).toEqual([{ id: held }]);
  });

  it("has all of it back in one run of the job, a commit for each batch", async () => {
    await loseTasks();

    await runAsScheduled(admin(), "fairlane-rescue");

    const [found] = await admin()`
      select
        count(*)::integer as rescued,
        count(distinct e.task_id)::integer as tasks,
        -- Which transaction wrote the row.
        count(distinct e.xmin::text)::integer as batches
      from public.task_events as e
      where e.actor = 'fairlane_core.rescue' and e.to_status = 'Queued'
    `;
    expect(found).toEqual({ rescued: LOST, tasks: LOST, batches: 3 });
    const [run] = await admin()`
      select result from fairlane_core.job_runs where job = 'rescue'
    `;
    expect(run).toMatchObject({
      result: { requeue_lost: LOST },
    });
    expect(await counterDrift()).toEqual([]);
  });
});

/** Running tasks of as many workers, none of which gives a sign any more. */
async function loseTasks(): Promise<string[]> {
  const owner = await createOwner({ maxInProgress: LOST });
  const ids = await createTasks(owner, LOST);
  for (const [index, id] of ids.entries()) {
    await startTask(id, `gpu-of-a-region-${index}`);
  }
  await stepClock("101 seconds");
  return ids;
}
