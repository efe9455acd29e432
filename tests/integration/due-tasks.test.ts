/** Thousands of tasks that become due at once: what others do stays as cheap. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
} from "vitest";
import { CountsReply } from "../../shared/counts.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin, type Connection } from "../support/db.ts";
import { claim, rpc } from "../support/operations.ts";
import { size } from "../support/size.ts";
import { createOwner, createTasks, type Owner } from "../support/world.ts";
import { type Explained, ExplainedSession } from "./explained-session.ts";
import { emptyAfter, letAutovacuum, SOME_LYING, warmUp } from "./plan-world.ts";

const MANY = 5_000;
/** As many as a claim looks at and releases, with room. */
const FEW = 500;
/** As many as a count looks at, twice, and its lists. */
const COUNTED = 2_500;

let session: ExplainedSession;
let honest: Owner;

beforeAll(() => letAutovacuum(false));
afterAll(() => letAutovacuum(true));

/** In `npm test` those that have found something here. */
const STATISTICS = size(0, 1) === 1 ? SOME_LYING : SOME_LYING.slice(1);

describe.each(STATISTICS)("with the statistics of %s", (statistics) => {
  beforeEach(async () => {
    await emptyAfter(statistics);
    session = new ExplainedSession();
    await warmUp(session.sql);
    for (let turn = 0; turn < 20; turn++) await count(session.sql);
    honest = await createOwner({ maxInProgress: 100 });
    await createTasks(honest, 10);
  });

  afterEach(async () => {
    await session.end();
    await resetClock();
  });

  describe("with one due task of a user who may run none", () => {
    beforeEach(async () => {
      await createDue(await createOwner({ credits: 0 }), 1);
      await createDue(await createOwner({ maxInProgress: 0 }), 1);
    });

    it("a claim is as plain as without", async () => {
      const claimed = await session.explain((sql) => claim(sql, "w"));
      expect(claimed.result).not.toBeNull();
      expect(statements(claimed).some(isThePlainStart)).toBe(true);
    });

    it("a claim in the other pool is not concerned", async () => {
      await createDue(honest, 1);
      await createTasks(honest, 1, { task_type: "edit_image" });
      const claimed = await session.explain((sql) =>
        claim(sql, "w", { p_run_type: "api" })
      );
      expect(claimed.result).not.toBeNull();
      expect(statements(claimed).some(isThePlainStart)).toBe(true);
    });
  });

  describe(`with ${MANY} due tasks of one user`, () => {
    it.each([
      { who: "who may run none", maxInProgress: 0, claimable: 10 },
      { who: "who may run some", maxInProgress: 3, claimable: 13 },
    ])("$who, claims and counts read few", async (one) => {
      const { maxInProgress, claimable } = one;
      await createDue(await createOwner({ maxInProgress }), MANY);

      const counted = await session.explain(count);
      expect(tasksRead(counted)).toBeLessThanOrEqual(COUNTED);
      expect(counted.result.totals.queued_only).toBe(claimable);

      for (let turn = 0; turn < 4; turn++) {
        const claimed = await session.explain((sql) => claim(sql, `w-${turn}`));
        expect(claimed.result).not.toBeNull();
        // What a released task costs is its own.
        const looked = looks(claimed);
        expect(tasksRead(looked)).toBeLessThanOrEqual(FEW);
      }
    });

    it("an owner who asks is told of his own", async () => {
      await createDue(honest, MANY);
      const p_caller = { kind: "user", user_id: honest.id };
      const counted = await session.explain((sql) => count(sql, { p_caller }));
      expect(tasksRead(counted)).toBeLessThanOrEqual(2 * COUNTED);
      expect(counted.result.totals.queued_only).toBe(100);
    });
  });
});

/** Tasks that were to wait until a moment ago. */
async function createDue(owner: Owner, tasks: number): Promise<void> {
  const [row] = await admin()<{ at: string }[]>`
    select (fairlane_core.now() + interval '1 minute')::text as at
  `;
  await createTasks(owner, tasks, { available_at: row?.at });
  await stepClock("2 minutes");
}

async function count(
  sql: Connection,
  args: Readonly<Record<string, unknown>> = {},
): Promise<CountsReply> {
  const reply = await rpc(sql, "task_counts", { p_run_type: "gpu", ...args });
  return CountsReply.parse(JSON.parse(reply));
}

function statements({ nodes }: Explained): string[] {
  return nodes.map(({ statement }) => statement);
}

/** The one statement of a plain claim; the careful one starts by its id. */
function isThePlainStart(statement: string): boolean {
  return statement.includes("head as materialized");
}

/** Without what the release of tasks itself reads and writes. */
function looks(explained: Explained): Explained {
  const nodes = explained.nodes.filter(({ statement }) =>
    /\bavailable_at <= |as materialized/.test(statement)
  );
  return { ...explained, nodes };
}

/** How many rows of tasks were looked at. */
function tasksRead({ nodes }: Explained): number {
  return nodes
    .filter(({ table = "" }) => /^tasks(_|$)/.test(table))
    .reduce((sum, { rows }) => sum + rows, 0);
}
