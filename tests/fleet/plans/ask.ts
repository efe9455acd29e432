import postgres from "postgres";
import { expect, vi } from "vitest";
import { z } from "zod";
import { admin } from "../../support/db.ts";
import { rest, SINGLE } from "../../support/rest.ts";
import { stack } from "../../support/stack.ts";
import type { Filters, Query } from "./queries.ts";

/** One step of a plan that PostgREST tells. */
export interface Step {
  readonly type: string;
}

/** More often than Postgres plans a prepared statement for its values. */
const TIMES = 8;

/** Sends a query, as its client does. */
export function ask({ table, query, isSingle, isCounted, isAnon }: Query) {
  return rest("GET", table, search(query), {
    key: keyOf(isAnon),
    headers: {
      ...(isSingle === true ? SINGLE : {}),
      ...(isCounted === true ? { prefer: "count=exact" } : {}),
    },
  });
}

/**
 * Pages that Postgres looks at for a request, in the mean of so many that a
 * prepared statement has the plan which it will keep.
 */
export async function pagesOf(
  request: (time: number) => Promise<unknown>,
): Promise<number> {
  await admin()`select extensions.pg_stat_statements_reset()`;
  for (let i = 0; i < TIMES; i++) await request(i);
  const [read] = await admin()<{ pages: number; calls: number }[]>`
    select
      sum(calls)::integer as calls,
      (sum(shared_blks_hit + shared_blks_read) / sum(calls))::integer as pages
    from extensions.pg_stat_statements
    where query like 'WITH pgrst_source%'
  `;
  expect(read?.calls).toBe(TIMES);
  return read?.pages ?? Infinity;
}

/** The plan that PostgREST's own statement gets, for these values. */
export async function planOf(
  { table, query, isSingle, isCounted, isAnon }: Query,
) {
  const reads = isSingle === true ? SINGLE.accept : "application/json";
  const reply = await rest("GET", table, search(query), {
    key: keyOf(isAnon),
    headers: {
      accept: `application/vnd.pgrst.plan+json; for="${reads}"`,
      ...(isCounted === true ? { prefer: "count=exact" } : {}),
    },
  });
  expect(reply.status, reply.text).toBe(200);
  return Plans.parse(reply.json).flatMap((plan) => [...stepsOf(plan.Plan)]);
}

/** Lets PostgREST tell its plans, or not any more; it re-reads its settings. */
export async function tellPlans(isOn: boolean): Promise<void> {
  const sql = postgres(stack().adminDbUrl, { max: 1, onnotice: () => {} });
  await sql.unsafe(
    isOn
      ? "alter role authenticator set pgrst.db_plan_enabled = 'true'"
      : "alter role authenticator reset pgrst.db_plan_enabled",
  );
  await sql`notify pgrst, 'reload config'`;
  await sql.end();
  const accept = "application/vnd.pgrst.plan+json";
  const query = { select: "id", limit: "1" };
  await vi.waitUntil(async () => {
    const { status } = await rest("GET", "workers", query, {
      headers: { accept },
    });
    return (status === 200) === isOn;
  }, { timeout: 120_000 });
}

const Node = z.object({
  "Node Type": z.string(),
  get Plans() {
    return z.array(Node).optional();
  },
});
const Plans = z.array(z.object({ Plan: Node }));

function* stepsOf(node: z.infer<typeof Node>): Iterable<Step> {
  yield { type: node["Node Type"] };
  for (const child of node.Plans ?? []) yield* stepsOf(child);
}

function keyOf(isAnon = false): string {
  return isAnon ? stack().anonKey : stack().serviceRoleKey;
}

function search(query: Filters): URLSearchParams {
  const search = new URLSearchParams();
  for (const [column, filters] of Object.entries(query)) {
    for (const filter of [filters].flat()) search.append(column, filter);
  }
  return search;
}
