import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drain, observe } from "../survival/drain.ts";
import { wrongs } from "../survival/verdict.ts";
import {
  type Blow,
  killEverything,
  strikeDown,
  type Victim,
} from "../survival/blows.ts";
import { NpmStart } from "../survival/npm-start.ts";

// The parts one by one are killed in tests/integration/kills.test.ts; here it is who would start
// them again. `npm run survive` does both in turn, and measures how long nobody
// answers: here other work may run beside, so only that somebody does counts.
const VICTIMS: readonly Victim[] = ["supervisor", "everything", "postmaster"];
const TASKS = 90;
const SEED = 20_261_128;
/** So quickly after one another that none was written by the way. */
const COMMITS = 200;

let app: NpmStart;

beforeAll(async () => {
  app = await NpmStart.fresh("test-survives");
}, 300_000);

afterAll(() => app?.discard());

describe("npm start, killed with all it runs and started again", () => {
  it("goes on where it was, and nothing of before is left", async () => {
    const blows: Blow[] = [];
    const ledger = await drain(app.target, {
      seed: SEED,
      tasks: TASKS,
      blows: VICTIMS,
      async strike(victim, chance, ledger) {
        const blow = await strikeDown(app, victim, chance, ledger);
        if (blow) blows.push(blow);
        return blow !== undefined;
      },
    });
    const sql = observe(app.target);
    try {
      expect(await wrongs(sql, TASKS, ledger)).toEqual([]);
    } finally {
      await sql.end({ timeout: 5 });
    }
    expect(blows.map(({ victim }) => victim)).toEqual(VICTIMS);
    expect(blows.flatMap(({ orphans }) => orphans)).toEqual([]);
    expect(ledger.told.length).toBeGreaterThan(TASKS / 2);
    expect(ledger.failedCalls).toBeGreaterThan(0);
    expect(app.output).toMatch(/Ready after .* warm start/);
  }, 1_000_000);

  it("keeps what it has acknowledged, up to the last moment", async () => {
    const acknowledged: string[] = [];
    const sql = observe(app.target);
    while (acknowledged.length < COMMITS) {
      const [user] = await sql<{ id: string }[]>`
        insert into public.users (id) values (gen_random_uuid()) returning id
      `;
      if (user) acknowledged.push(user.id);
    }
    await killEverything(app.supervisor);
    await sql.end({ timeout: 0 });
    await app.start();

    const again = observe(app.target);
    const kept = await again<{ id: string }[]>`
      select id from public.users where id in ${again(acknowledged)}
    `;
    await again.end();
    expect(kept).toHaveLength(COMMITS);
  }, 300_000);
});
