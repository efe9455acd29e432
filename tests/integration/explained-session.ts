import postgres from "postgres";
import { z } from "zod";
import type { Connection } from "../support/db.ts";
import { stack } from "../support/stack.ts";

/** One step of a plan, as far as tests look at it. */
export interface PlanNode {
  readonly statement: string;
  readonly type: string;
  /** The table or, where the step reads only that, the index. */
  readonly table: string | undefined;
  readonly index: string | undefined;
  /** By what the index is searched. */
  readonly condition: string | undefined;
  /** What is asked of each row that it looked at. */
  readonly filter: string | undefined;
  /** Rows that it looked at, whether it returned them or not. */
  readonly rows: number;
}

/** What a call did, its inner statements included. */
export interface Explained<Result = unknown> {
  readonly result: Result;
  readonly nodes: readonly PlanNode[];
  /** Pages that the whole call looked at. */
  readonly buffers: number;
}

/**
 * The statements whose plan was made for an empty list: `= any ('{}')` implies
 * every predicate, so that any partial index may be read whole for them.
 */
export function forEmptyLists({ nodes }: Explained): string[] {
  const found = nodes.filter(({ condition = "", filter = "" }) =>
    `${condition} ${filter}`.includes("= ANY ('{}'::")
  );
  return [...new Set(found.map(({ statement }) => statement))];
}

/** A session that is told the plans of what it runs. */
export class ExplainedSession {
  readonly sql: Connection;
  #plans: Plan[] = [];

  constructor() {
    // Only a superuser may load the module.
    this.sql = postgres(stack().adminDbUrl, {
      max: 1,
      onnotice: (notice) => {
        const json = notice["message"]?.split("plan:\n", 2)[1];
        if (json !== undefined) this.#plans.push(Plan.parse(JSON.parse(json)));
      },
    });
  }

  /** Runs something and returns what it did. */
  async explain<Result>(
    run: (sql: Connection) => Promise<Result>,
  ): Promise<Explained<Result>> {
    await this.sql.unsafe(`
      load 'auto_explain';
      set auto_explain.log_min_duration = 0;
      set auto_explain.log_analyze = on;
      set auto_explain.log_buffers = on;
      set auto_explain.log_timing = off;
      set auto_explain.log_nested_statements = on;
      set auto_explain.log_format = json;
      set client_min_messages = log`);
    this.#plans = [];
    const result = await run(this.sql);
    const plans = this.#plans;
    await this.sql`set auto_explain.log_min_duration = -1`;
    // The outermost statement ends last, and its pages include all others'.
    const outermost = plans.at(-1)?.Plan;
    if (outermost === undefined) throw new Error("No plan was logged");
    return {
      result,
      nodes: plans.flatMap((plan) => [
        ...nodesOf(plan.Plan, plan["Query Text"]),
      ]),
      buffers: outermost["Shared Hit Blocks"] + outermost["Shared Read Blocks"],
    };
  }

  end(): Promise<void> {
    return this.sql.end();
  }
}

const Node = z.object({
  "Node Type": z.string(),
  "Relation Name": z.string().optional(),
  "Index Name": z.string().optional(),
  "Index Cond": z.string().optional(),
  "Filter": z.string().optional(),
  "Actual Rows": z.number().default(0),
  "Actual Loops": z.number().default(0),
  "Rows Removed by Filter": z.number().default(0),
  "Rows Removed by Join Filter": z.number().default(0),
  "Shared Hit Blocks": z.int(),
  "Shared Read Blocks": z.int(),
  get Plans() {
    return z.array(Node).optional();
  },
});
type Node = z.infer<typeof Node>;

const Plan = z.object({ "Query Text": z.string(), Plan: Node });
type Plan = z.infer<typeof Plan>;

function* nodesOf(node: Node, statement: string): Iterable<PlanNode> {
  yield {
    statement,
    type: node["Node Type"],
    table: node["Relation Name"],
    index: node["Index Name"],
    condition: node["Index Cond"],
    filter: node["Filter"],
    rows: node["Actual Loops"] *
      (node["Actual Rows"] + node["Rows Removed by Filter"] +
        node["Rows Removed by Join Filter"]),
  };
  for (const child of node.Plans ?? []) yield* nodesOf(child, statement);
}
