import { ENDED, LIVE } from "./fill-history.ts";
import {
  childrenOf,
  type Filters,
  one,
  type Query,
  tasks,
  WORKER,
} from "./queries.ts";

/** 4.1 with the anon key, after `fairlane_core.allow_anon_deletes(true)`: of what runs. */
export const ANON: readonly Query[] = [
  ...WORKER.filter(({ name }) => name === "A"),
  visible("B", "id,status", { params: childrenOf(LIVE) }),
  one("C", "dependant_on", LIVE + 2),
  one("D", "output_location,status", LIVE + 1),
  one("E", "id", LIVE),
  one("F", "status,created_at,project_id,task_type", LIVE),
  visible("G", "id,task_type,status,params,output_location", {
    params: childrenOf(LIVE),
    order: "created_at.asc",
  }),
  {
    ...visible("G, of a month ago", "id", { params: childrenOf(ENDED) }),
    isEmpty: true,
  },
  one("I", "params", LIVE),
  one("J", "status,output_location", LIVE + 1),
  visible("K", "id,task_type,status,params,output_location", {
    status: "eq.Complete",
  }),
  // Postgres hopes to meet a thousand of them early, and begins with the oldest.
  ...WORKER.filter(({ name }) => name === "K, segments")
    .map((query) => ({ ...query, reads: "whole table" as const })),
  { ...visible("L", "count", { limit: "1" }), isCounted: true },
].map((query) => ({ ...query, isAnon: true }));

function visible(name: string, select: string, query: Filters): Query {
  return { ...tasks(name, select, query), reads: "visible rows" };
}
