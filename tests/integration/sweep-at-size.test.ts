import postgres from "postgres";
import { afterAll, beforeEach, expect, it } from "vitest";
import { touchedBy } from "../support/crowd.ts";
import { admin, adminConnection } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { createOwner, createTasks, reset } from "../support/world.ts";

/**
 * What the sweep reads of what came since the last one. It locks owners, so it
 * must not take long, whatever the planner believes.
 */

const CROWD = 1_000;
const TABLES = ["public.tasks", "public.task_events"];

const superuser = postgres(stack().adminDbUrl, { max: 1, onnotice: () => {} });

beforeEach(reset);
afterAll(async () => {
  // Emptied, they have none of these statistics any more.
  await reset();
  await superuser.end();
});

it("the sweep reads each new event's task by its key, also under statistics of a queue that was empty", async () => {
  const owner = await createOwner();
  await createTasks(owner, CROWD);
  // As an ANALYZE leaves them that comes when all rows have gone and no VACUUM
  // has: to the planner they stay empty, however many rows come next.
  await superuser`
    update pg_catalog.pg_class as c
    set relpages = 200, reltuples = 0
    from pg_catalog.pg_index as i
    where i.indrelid = any (${TABLES}::regclass[])
      and c.oid in (i.indrelid, i.indexrelid)
  `;
  const session = adminConnection();
  const { read } = await touchedBy(session, (sql) => sql`select queue.sweep()`);
  await session.end();
  const [{ arrivals } = { arrivals: 0 }] = await admin()<
    { arrivals: number }[]
  >`select arrivals from queue.minute_samples where pool = 'gpu'`;
  expect(arrivals).toBe(CROWD);
  expect(read).toBeLessThan(20 * CROWD);
});
