import { afterAll, beforeEach, expect, it } from "vitest";
import { touchedBy } from "../support/crowd.ts";
import { admin, adminConnection } from "../support/db.ts";
import { seemDrained } from "../support/drained-tables.ts";
import { createOwner, createTasks, reset } from "../support/world.ts";

/**
 * What the sweep reads of what came since the last one. It locks owners, so it
 * must not take long, whatever the planner believes.
 */

const CROWD = 1_000;

beforeEach(reset);
// Emptied, the tables have their lying statistics no longer.
afterAll(reset);

it("the sweep reads each new event's task by its key, also under statistics of a queue that was drained", async () => {
  const owner = await createOwner();
  await createTasks(owner, CROWD);
  await seemDrained(["public.tasks", "public.task_events"]);
  const session = adminConnection();
  const { read } = await touchedBy(
    session,
    (sql) => sql`select fairlane_core.sweep()`,
  );
  await session.end();
  const [{ arrivals } = { arrivals: 0 }] = await admin()<
    { arrivals: number }[]
  >`select arrivals from fairlane_core.minute_samples where pool = 'gpu'`;
  expect(arrivals).toBe(CROWD);
  expect(read).toBeLessThan(20 * CROWD);
});
