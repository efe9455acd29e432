import { beforeAll, describe, expect, it } from "vitest";
import { counterDrift } from "../../support/drift.ts";
import { reset } from "../../support/world.ts";
import { worlds } from "./arbitraries.ts";
import { claimEverything } from "./claims.ts";
import {
  expectCounts,
  expectTaskExplanations,
  expectWorkerExplanation,
} from "./expect-answers.ts";
import { inWorld, tentatively } from "./in-world.ts";
import type { Caller } from "./model.ts";
import { holds, seed, timeout } from "../random-runs.ts";
import type { Pool, World } from "./world.ts";

const POOLS: readonly Pool[] = ["gpu", "api"];

// Everything is counted, so nothing may be left from another suite.
beforeAll(reset);

describe(`in any world (MODEL_SEED=${seed})`, () => {
  it("claim, counts and explain follow the one rule", async () => {
    await holds(worlds, (written) =>
      inWorld(written, async (sql, world) => {
        await expectTaskExplanations(sql, world);
        for (const caller of callers(world)) {
          await expectCounts(sql, world, { ...caller, pool: null });
          for (const pool of POOLS) {
            await expectCounts(sql, world, { ...caller, pool });
            await expectWorkerExplanation(sql, world, { ...caller, pool });
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

/**
 * What the counters say is what the tasks add up to. A readiness may be behind,
 * where time or the end of a parent has overtaken it: claims and the sweep put
 * that right, and every answer above sees through it.
 */
async function drift(): Promise<unknown[]> {
  const found = await counterDrift();
  return found.filter(({ counter }) => !counter.startsWith("readiness"));
}
