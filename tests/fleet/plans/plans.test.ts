/**
 * What deployed clients ask of tables, in a queue with two months of work: each
 * query finds its rows through an index, as PostgREST really sends it. The gate
 * has 200 thousand tasks; `HISTORY_TASKS=1000000` gives a million.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin } from "../../support/db.ts";
import { rest } from "../../support/rest.ts";
import { reset } from "../../support/world.ts";
import { ANON } from "./anon-queries.ts";
import { ask, pagesOf, planOf, tellPlans } from "./ask.ts";
import { fillHistory, LIVE, taskId, TASKS, workerId } from "./fill-history.ts";
import { DEBUG, ORCHESTRATOR, type Query, WORKER } from "./queries.ts";

/** Pages of an index or two, and of tables that a trigger looks into. */
const FEW_PAGES = 100;

beforeAll(async () => {
  await reset();
  await fillHistory();
  await tellPlans(true);
}, 1_800_000);

afterAll(async () => {
  await tellPlans(false);
  await reset();
}, 300_000);

describe.each([
  { client: "the worker reads", queries: WORKER },
  { client: "the GPU orchestrator reads", queries: ORCHESTRATOR },
  { client: "the debug tools read", queries: DEBUG },
])("$client", ({ queries }) => {
  it.each(queries)("$name", expectQuick);
});

describe("the worker reads with the anon key, where it is opened", () => {
  beforeAll(() => admin()`select fairlane_core.allow_anon_deletes(true)`);
  afterAll(() => admin()`select fairlane_core.allow_anon_reads(false)`);

  it.each(ANON)("$name", expectQuick);
});

describe("writes find their rows through the key", () => {
  it("a reset of several tasks", async () => {
    const pages = await pagesOf((time) =>
      patch(
        "tasks",
        {
          id: `in.(${running(time, 1)},${running(time, 2)})`,
          attempts: "lt.3",
        },
        { ...RESET, error_message: "Reset - orphaned from failed worker" },
        2,
      )
    );
    expect(pages).toBeLessThanOrEqual(10 * FEW_PAGES);
  });
  it("a reset after a fatal error", async () => {
    const pages = await pagesOf((time) =>
      patch(
        "tasks",
        {
          id: `eq.${running(time, 3)}`,
          worker_id: `eq.${workerId(1990)}`,
          status: "eq.In Progress",
        },
        { ...RESET, error_details: "FATAL" },
        1,
      )
    );
    expect(pages).toBeLessThanOrEqual(10 * FEW_PAGES);
  });
  it("a worker's metadata, without a look at tasks", async () => {
    const pages = await pagesOf(() =>
      patch("workers", { id: `eq.${workerId(1995)}` }, {
        status: "active",
        metadata: { orchestrator_status: "active" },
      }, 1)
    );
    // With the triggers of tasks it was twice as many.
    expect(pages).toBeLessThanOrEqual(0.75 * FEW_PAGES);
  });
  it("the deletion of a child", async () => {
    const pages = await pagesOf(async (time) => {
      const query = { id: `eq.${taskId(LIVE + 10 + 10 * time + 1)}` };
      const reply = await rest("DELETE", "tasks", query, { body: {} });
      expect(reply.json, reply.text).toHaveLength(1);
    });
    expect(pages).toBeLessThanOrEqual(10 * FEW_PAGES);
  });
});

async function expectQuick(query: Query): Promise<void> {
  const reply = await ask(query);
  expect([200, 206], reply.text).toContain(reply.status);
  const rows = [reply.json].flat().length;
  expect(rows > 0).toBe(query.isEmpty !== true);

  const scans = (await planOf(query)).filter(({ type }) => type === "Seq Scan");
  if (!mayScan(query)) expect(scans).toEqual([]);

  if (query.reads === "whole table") return;
  const pages = await pagesOf(() => ask(query));
  expect(pages, `pages for ${rows} rows`)
    .toBeLessThanOrEqual(mayRead(query, rows));
}

function mayScan({ reads }: Query): boolean {
  return reads === "first rows" || reads === "whole table";
}

/** How many pages each kind of read may look at. */
function mayRead({ reads }: Query, rows: number): number {
  if (reads === "newest rows") return TASKS / 20;
  // Of some 29,000 pages for 200 thousand tasks.
  if (reads === "visible rows") return TASKS / 50;
  if (reads === "a worker's rows") return TASKS / 2;
  return FEW_PAGES + 2 * rows;
}

const RESET = {
  status: "Queued",
  worker_id: null,
  generation_started_at: null,
};

/** A task In Progress, another one for each part and time. */
function running(time: number, part: number): string {
  return taskId(LIVE + 100 * time + part);
}

async function patch(
  table: string,
  query: Readonly<Record<string, string>>,
  body: unknown,
  count: number,
): Promise<void> {
  const reply = await rest("PATCH", table, query, { body });
  expect(reply.json, reply.text).toHaveLength(count);
}
