import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drain, observe } from "../survival/drain.ts";
import { type OwnStack, startOwnStack } from "../survival/own-stack.ts";
import { kill, type Part, shuffledParts } from "../survival/parts.ts";
import { lateRescues, rescuesOf } from "../survival/rescues.ts";
import { wrongs } from "../survival/verdict.ts";
import { Chance } from "../support/chance.ts";
import { size } from "../support/size.ts";

const TASKS = size(500, 1000);
/** How often each part is killed. */
const BLOWS = 3;
const SEED = 20_261_123;

let target: OwnStack;

beforeAll(async () => {
  target = await startOwnStack("test-kills");
}, 300_000);

afterAll(() => target?.discard());

describe("a queue that drains while its processes are killed", () => {
  it("loses nothing, does nothing twice, and keeps every limit", async () => {
    const killed: Part[] = [];
    const ledger = await drain(target, {
      seed: SEED,
      tasks: TASKS,
      blows: shuffledParts(BLOWS, new Chance(SEED)),
      strike(part, chance) {
        if (kill(part, chance) === undefined) return false;
        killed.push(part);
        return true;
      },
    });
    const sql = observe(target);
    try {
      expect(await wrongs(sql, TASKS, ledger)).toEqual([]);
      const rescues = await rescuesOf(sql);
      expect(rescues.length).toBeGreaterThan(TASKS / 100);
      // That it would have said so.
      expect(lateRescues(rescues.map((it) => ({ ...it, seconds: 181 }))))
        .toHaveLength(rescues.length);
      await sql`delete from public.generations`;
      await sql`update fairlane_core.user_slots set running = 1`;
      expect((await wrongs(sql, TASKS, ledger)).length).toBeGreaterThan(100);
    } finally {
      await sql.end({ timeout: 5 });
    }
    expect(killed).toHaveLength(4 * BLOWS);
    expect(ledger.told.length).toBeGreaterThan(TASKS / 2);
    // Otherwise nothing was in the way of anybody.
    expect(ledger.failedCalls).toBeGreaterThan(0);
    expect(ledger.deaths).toBeGreaterThan(0);
    expect(ledger.refusals).toBeGreaterThan(0);
  }, 1_000_000);
});
