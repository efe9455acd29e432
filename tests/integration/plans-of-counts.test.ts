import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { admin, type Connection } from "../support/db.ts";
import { rpc } from "../support/operations.ts";
import { size } from "../support/size.ts";
import { createOwner, createToken } from "../support/world.ts";
import {
  type Explained,
  ExplainedSession,
  forEmptyLists,
  type PlanNode,
} from "./explained-session.ts";
import {
  analyze,
  emptyAfter,
  fill,
  letAutovacuum,
  LYING,
  type Statistics,
  TURNS,
  warmUp,
} from "./plan-world.ts";
import { tokenCaller } from "./token-caller.ts";

const TASKS = size(3_000, 10_000);
/** As many as a list has, and the oldest that are looked through for an age. */
const FEW = 500;

/** Everything that adds the queue up, beside the claims of plans.test.ts. */
const CALLS = {
  "task_counts": (sql: Connection) =>
    rpc(sql, "task_counts", { p_run_type: "gpu", p_include_active: true }),
  "task_counts of both pools": (sql: Connection) =>
    rpc(sql, "task_counts", { p_include_active: false }),
  "worker_health": (sql: Connection) =>
    sql`select fairlane_core.worker_health(${'{"kind":"service"}'}::text::jsonb, null)`,
  "health": (sql: Connection) => rpc(sql, "health", {}),
  "explain_worker": (sql: Connection) =>
    rpc(sql, "explain_worker", { p_worker_id: "w", p_run_type: "gpu" }),
  "a dry run": (sql: Connection) =>
    rpc(sql, "claim_next_task", { p_worker_id: "w", p_dry_run: true }),
  "a token's idle poll": async (sql: Connection) => {
    const p_caller = tokenCaller(await createToken(await createOwner()));
    return rpc(sql, "claim_next_task", { p_caller, p_worker_id: "w" });
  },
  "the sweep": (sql: Connection) => sql`select fairlane_core.sweep()`,
};
type Call = keyof typeof CALLS;
const NAMES = Object.keys(CALLS) as Call[];

beforeAll(() => letAutovacuum(false));
afterAll(() => letAutovacuum(true));

describe.each<{ statistics: Statistics; params: string }>([
  ...LYING.map((statistics, nth) => ({
    statistics,
    params: nth % 2 === 0 ? "short" : "long",
  })),
  { statistics: "the full queue", params: "short" },
  { statistics: "the full queue", params: "long" },
])("with $params params and the statistics of $statistics", (world) => {
  let old: ExplainedSession;
  let fresh: ExplainedSession;
  beforeAll(async () => {
    await emptyAfter(
      world.statistics === "the full queue"
        ? "a queue that one user had filled"
        : world.statistics,
    );
    old = new ExplainedSession();
    await warm(old.sql);
    const text = world.params === "long" ? "x".repeat(2000) : "";
    await fill(TASKS, { params: { prompt: text } });
    if (world.statistics === "the full queue") await analyze();
    fresh = new ExplainedSession();
    await warm(fresh.sql);
  });
  afterAll(() => Promise.all([old.end(), fresh.end()]));
  // A sweep that comes half a minute after the last sample takes one, for which
  // it reads what has come since: here that would be everything.
  beforeEach(async () => {
    await admin()`delete from fairlane_core.minute_samples`;
    await admin()`
      insert into fairlane_core.minute_samples (sampled_at, pool, claimable, arrivals, completions, last_event_id)
      select fairlane_core.now(), p.pool, 0, 0, 0, (select max(e.id) from public.task_events as e)
      from unnest(array['gpu', 'api']) as p (pool)
    `;
  });

  describe.each(["an old session", "a new session"])("in %s", (session) => {
    it.each(NAMES)("%s reads few tasks", async (name) => {
      const explained = session === "a new session" ? fresh : old;
      const done = await explained.explain<unknown>(CALLS[name]);
      expect(wholeReads(done)).toEqual([]);
      expect(manyRead(done)).toEqual([]);
      expect(forEmptyLists(done)).toEqual([]);
    });
  });
});

async function warm(sql: Connection): Promise<void> {
  await warmUp(sql);
  for (let turn = 0; turn < 2 * TURNS; turn++) {
    for (const name of NAMES) await CALLS[name](sql);
  }
}

/** The statements that read all tasks. */
function wholeReads({ nodes }: Explained): string[] {
  const found = nodes.filter(({ table, type }) =>
    table === "tasks" && type === "Seq Scan"
  );
  return [...new Set(found.map(({ statement }) => statement))];
}

/** The steps that looked at many tasks. */
function manyRead({ nodes }: Explained): PlanNode[] {
  return nodes.filter(({ table, rows }) =>
    (table === "tasks" || table?.startsWith("tasks_")) && rows > FEW
  );
}
