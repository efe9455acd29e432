import process from "node:process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Chance } from "../../support/chance.ts";
import type { Connection } from "../../support/db.ts";
import { anyLimits, anyPlan, limitsAt, type Plan } from "./cleaning-plans.ts";
import { type Limits, type Row, toCancel, toPurge } from "./cleaning-rule.ts";
import { readRows, setLimits, writeWorld } from "./cleaning-world.ts";
import { inTransaction, tentatively } from "./in-world.ts";
import { holds, seed, timeout } from "../random-runs.ts";

/**
 * CLEANING_ROWS=10000 CLEANING_WORLDS=10 CLEANING_CASES=20 plays 200 cases of
 * 10,000 rows; that takes 24 minutes.
 */
const ROWS = Number(process.env["CLEANING_ROWS"] ?? 1_000);
const WORLDS = Number(process.env["CLEANING_WORLDS"] ?? 1);
/** Cases of limits in which each world is cleaned. */
const CASES = Number(process.env["CLEANING_CASES"] ?? 4);
const EVERYTHING = 1_000_000;
/** Small worlds: each is cleaned four times, twice for real. */
const RUNS = 60;

describe(`cleanup and purge (MODEL_SEED=${seed})`, () => {
  it("take exactly what a plain reading of their rules says", async () => {
    await holds(
      fc.tuple(anyPlan, anyLimits),
      ([plan, limits]) =>
        inTransaction(async (sql) => {
          await writeWorld(sql, [plan], limits);
          await setLimits(sql, limits);
          await clean(sql, limits, "first run");
          // What was cancelled may have been in the way of something else.
          await clean(sql, limits, "second run");
        }),
      RUNS,
    );
  }, timeout);

  it(`do so among ${ROWS} rows`, async () => {
    for (let world = 0; world < WORLDS; world++) {
      const chance = new Chance(seed + world);
      const plans = fc.sample(anyPlan, { seed: seed + world, numRuns: ROWS });
      const first = anyLimitsOf(seed + world);
      await inTransaction(async (sql) => {
        await writeWorld(sql, plans.slice(0, sizeOf(plans)), first);
        const rows = await readRows(sql);
        expect(rows.length).toBeGreaterThanOrEqual(ROWS);
        for (let n = 0; n < CASES; n++) {
          const limits = n === 0 ? first : limitsAt(rows, chance);
          await tentatively(sql, async () => {
            await setLimits(sql, limits);
            await clean(sql, limits, `world ${world}, case ${n}`);
          });
          // Only somebody who waits that long wants to see it.
          if (WORLDS > 1) console.log(`world ${world}, case ${n}: right`);
        }
      });
    }
  }, 60_000 * WORLDS * CASES);
});

function anyLimitsOf(seed: number): Limits {
  const [limits] = fc.sample(anyLimits, { seed, numRuns: 1 });
  if (!limits) throw new Error("fast-check made no sample");
  return limits;
}

/** How many of these plans have as many tasks together as are wanted. */
function sizeOf(plans: readonly Plan[]): number {
  let rows = 0;
  return 1 + plans.findIndex((plan) => (rows += plan.length) >= ROWS);
}

/** Lets both jobs run, each after a dry run, and compares with the model. */
async function clean(
  sql: Connection,
  limits: Limits,
  name: string,
): Promise<void> {
  await sweep(sql);
  const before = await readRows(sql);
  const due = toCancel(before, limits);
  expect(await rehearsed(sql, "cleanup"), `${name}: dry cleanup`).toEqual(due);
  expect(await readRows(sql), `${name}: dry cleanup`).toEqual(before);
  await sql`select fairlane_core.cleanup(${EVERYTHING})`;
  const after = await readRows(sql);
  expect(cancelled(before, after), `${name}: cleanup`).toEqual(due);

  const done = new Set(toPurge(after, limits));
  expect(await rehearsed(sql, "purge"), `${name}: dry purge`)
    .toEqual([...done]);
  await sql`select fairlane_core.purge(${EVERYTHING})`;
  expect(await readRows(sql), `${name}: purge`)
    .toEqual(after.filter((row) => !done.has(row.id)));
  expect([...await sql`select * from fairlane_core.drift()`], name).toEqual([]);
}

/** Sets aside what has grown stale, a thousand tasks at a time as the job does. */
async function sweep(sql: Connection): Promise<void> {
  const [done] = await sql<{ hasMore: boolean }[]>`
    select (fairlane_core.sweep() ->> 'grown_stale')::integer > 0 as "hasMore"
  `;
  if (done?.hasMore) await sweep(sql);
}

/** The tasks that a dry run names. */
async function rehearsed(
  sql: Connection,
  job: "cleanup" | "purge",
): Promise<string[]> {
  const tasks = await sql<{ id: string }[]>`
    select x ->> 'task_id' as id
    from jsonb_array_elements(
      ${sql.unsafe(`fairlane_core.${job}(${EVERYTHING}, true)`)}::jsonb -> 'due'
    ) as x
    order by 1
  `;
  return tasks.map(({ id }) => id);
}

/** The tasks that were cancelled; nothing else may have changed. */
function cancelled(before: readonly Row[], after: readonly Row[]): string[] {
  const was = new Map(before.map((row) => [row.id, row]));
  const changed = after.filter((row) => was.get(row.id)?.status !== row.status);
  const ids = new Set(changed.map((row) => row.id));
  expect(changed.filter((row) => row.status !== "Cancelled")).toEqual([]);
  expect(after.filter((row) => !ids.has(row.id)))
    .toEqual(before.filter((row) => !ids.has(row.id)));
  return [...ids].sort();
}
