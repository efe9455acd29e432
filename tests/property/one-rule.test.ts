import { beforeAll, describe, expect, it } from "vitest";
import { CountsReply } from "../../shared/counts.ts";
import type { Connection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { rpc, SERVICE } from "../support/operations.ts";
import { reset } from "../support/world.ts";
import { worlds } from "./arbitraries.ts";
import { asCaller, claimEverything } from "./claims.ts";
import { taskId } from "./ids.ts";
import { inWorld, tentatively } from "./in-world.ts";
import {
  activeCount,
  blocked,
  type Caller,
  claimable,
  claimableCount,
  reasonOf,
} from "./model.ts";
import { holds, seed, timeout } from "./random-runs.ts";
import type { Pool, World } from "./world.ts";

const POOLS: readonly Pool[] = ["gpu", "api"];

// Everything is counted, so nothing may be left from another suite.
beforeAll(reset);

describe(`in any world (PROPERTY_SEED=${seed})`, () => {
  it("claim, counts and explain follow the one rule", async () => {
    await holds(worlds, (world) =>
      inWorld(world, async (sql) => {
        await expectExplanations(sql, world);
        for (const caller of callers(world)) {
          await expectCounts(sql, world, { ...caller, pool: null });
          for (const pool of POOLS) {
            await expectCounts(sql, world, { ...caller, pool });
            await tentatively(sql, async () => {
              const left = await claimEverything(sql, world, {
                ...caller,
                pool,
              });
              await expectCounts(sql, left, { ...caller, pool });
              expect(await drift()).toEqual([]);
            });
          }
        }
      }));
  }, timeout);
});

/** The fleet, and one of the users at home. */
function callers(world: World): Caller[] {
  const owner = world.tasks[0]?.owner ?? 0;
  return [{ owner: null, pool: null }, { owner, pool: null }];
}

async function expectCounts(
  sql: Connection,
  world: World,
  caller: Caller,
): Promise<void> {
  const reply = await rpc(sql, "task_counts", {
    p_caller: asCaller(caller),
    p_run_type: caller.pool ?? undefined,
  });
  const counts = CountsReply.parse(JSON.parse(reply));
  const queued = claimableCount(world, caller);
  expect({
    queued: counts.totals.queued_only,
    active: counts.totals.active_only,
    blocked: counts.blocked,
    listed: counts.queued_tasks.length,
  }, `counts of ${JSON.stringify(caller)}`).toEqual({
    queued,
    active: activeCount(world, caller),
    blocked: blocked(world, caller),
    listed: queued,
  });
  const ids = claimable(world, caller)
    .map((task) => taskId(world.tasks.indexOf(task)));
  const listed = counts.queued_tasks.map((task) => task.task_id);
  expect(ids).toEqual(expect.arrayContaining(listed));
}

async function expectExplanations(
  sql: Connection,
  world: World,
): Promise<void> {
  const rows = await sql<{ id: string; reason: string | null }[]>`
    select
      t.id,
      public.explain_task(${JSON.stringify(SERVICE)}::text::jsonb, t.id)
        ->> 'reason' as reason
    from public.tasks as t
    where t.status = 'Queued'
    order by t.id
  `;
  const expected = world.tasks.flatMap((task, index) => {
    const owner = task.runType === "local" ? task.owner : null;
    const reason = reasonOf(world, task, { owner, pool: null });
    return task.status === "Queued" ? [{ id: taskId(index), reason }] : [];
  });
  expect([...rows], "explain_task").toEqual(expected);
}

/**
 * What the counters say is what the tasks add up to. A standing may be behind,
 * where time or the end of a parent has overtaken it: claims and the sweep put
 * that right, and every answer above sees through it.
 */
async function drift(): Promise<unknown[]> {
  const found = await counterDrift();
  return found.filter(({ counter }) => !counter.startsWith("standing"));
}
