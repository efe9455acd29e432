import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { runAsScheduled } from "../support/scheduled-jobs.ts";
import {
  createOwner,
  createTasks,
  reset,
  startTask,
} from "../support/world.ts";

/** As many as queue.rescue puts back in one transaction. */
const BATCH = 100;
const LOST = 2 * BATCH + 50;

beforeEach(reset);
afterEach(resetClock);

describe("the rescue of more than one batch", () => {
  it("has all of it back in one run of the job, a commit for each batch", async () => {
    const owner = await createOwner({ maxInProgress: LOST });
    for (const [index, id] of (await createTasks(owner, LOST)).entries()) {
      await startTask(id, `gpu-of-a-region-${index}`);
    }
    await stepClock("101 seconds");

    await runAsScheduled(admin(), "queue-rescue");

    const [found] = await admin()`
      select
        count(*)::integer as rescued,
        count(distinct e.task_id)::integer as tasks,
        -- Which transaction wrote the row.
        count(distinct e.xmin::text)::integer as batches
      from public.task_events as e
      where e.actor = 'queue.rescue' and e.to_status = 'Queued'
    `;
    expect(found).toEqual({ rescued: LOST, tasks: LOST, batches: 3 });
    const [run] = await admin()`
      select result from queue.job_runs where job = 'rescue'
    `;
    expect(run).toMatchObject({ result: { put_back: LOST - 2 * BATCH } });
    expect(await counterDrift()).toEqual([]);
  });
});
