import { ENDED, LIVE, PROJECT, taskId, workerId } from "./fill-history.ts";

/** By column; several values are a key that comes as often. */
export type Filters = Readonly<Record<string, string | readonly string[]>>;

/** One read that a deployed client sends, by the contract's section or letter. */
export interface Query {
  readonly name: string;
  readonly table: string;
  readonly query: Filters;
  /** `.single()`. */
  readonly isSingle?: boolean;
  /** With `Prefer: count=exact`. */
  readonly isCounted?: boolean;
  /** With the anon key, for which row security goes first. */
  readonly isAnon?: boolean;
  /** Finds nothing here, and that as quickly. */
  readonly isEmpty?: boolean;
  /** What it may read; absent = little more than the rows it is answered with. */
  readonly reads?:
    /** The table from its beginning, until it has its thousand rows. */
    | "first rows"
    /** The table from its newest row, until it has as many as it wants. */
    | "newest rows"
    /** What the anon key may see: what is live or a few days old. */
    | "visible rows"
    /** Up to all of one worker, who may be a third of the fleet. */
    | "a worker's rows"
    /** Everything, as nothing else could answer it. */
    | "whole table";
}

const W = workerId(1990);
const RUNNING = { status: "eq.In Progress" };
const NEWEST = { select: "*", order: "created_at.desc" };

/** 4.1: the worker's main loop. */
export const WORKER: readonly Query[] = [
  tasks("A", "id,params,task_type,project_id", {
    worker_id: `eq.${W}`,
    ...RUNNING,
    limit: "1",
  }),
  tasks("B", "id,status", { params: childrenOf(ENDED) }),
  tasks("B, of what runs", "id,status", { params: childrenOf(LIVE) }),
  one("C", "dependant_on", ENDED + 2),
  one("D", "output_location,status", ENDED + 1),
  one("E", "id", ENDED),
  one("F", "status,created_at,project_id,task_type", ENDED),
  tasks("G", "id,task_type,status,params,output_location", {
    params: childrenOf(ENDED),
    order: "created_at.asc",
  }),
  one("I", "params", ENDED),
  one("J", "status,output_location", ENDED + 1),
  {
    ...tasks("K", "id,task_type,status,params,output_location", {
      status: "eq.Complete",
    }),
    reads: "first rows",
  },
  {
    ...tasks("K, segments", "params,output_location", {
      task_type: "eq.travel_segment",
      status: "eq.Complete",
    }),
    reads: "first rows",
  },
  {
    ...tasks("L", "count", { limit: "1" }),
    isCounted: true,
    reads: "whole table",
  },
];

/** 4.2 and 4.3: the orchestrator's cycle, and what reads before a fatal end. */
export const ORCHESTRATOR: readonly Query[] = [
  { name: "all workers", table: "workers", query: NEWEST },
  {
    name: "workers by status",
    table: "workers",
    query: {
      ...NEWEST,
      status: "in.(spawning,active,terminating,error,terminated)",
    },
  },
  {
    name: "one worker",
    table: "workers",
    query: { select: "metadata", id: `eq.${W}` },
    isSingle: true,
  },
  tasks("what a worker holds", "id", { worker_id: `eq.${W}`, ...RUNNING }),
  tasks("whether it is stuck", "*", { worker_id: `eq.${W}`, ...RUNNING }),
  ...[workerId(777), "api-worker-main"].map((worker) =>
    tasks(
      `the last completion of ${worker}`,
      "generation_processed_at,updated_at",
      {
        worker_id: `eq.${worker}`,
        status: "eq.Complete",
        order: "generation_processed_at.desc",
        limit: "1",
      },
    )
  ),
  {
    ...tasks("completions of the last minutes", "id", {
      worker_id: "eq.api-worker-main",
      status: "eq.Complete",
      generation_processed_at: `gte.${hoursAgo(15)}`,
    }),
    isCounted: true,
  },
  tasks("tasks of failed workers", "id,task_type", {
    ...RUNNING,
    worker_id: `in.(${[1985, 1986, 1990].map(workerId).join(",")})`,
    attempts: "lt.3",
  }),
  {
    ...tasks("tasks without a worker", "id,task_type", {
      ...RUNNING,
      worker_id: "is.null",
      generation_started_at: `lt.${hoursAgo(0.25)}`,
    }),
    isEmpty: true,
  },
  tasks("tasks of API workers", "id,task_type,worker_id,attempts", {
    ...RUNNING,
    worker_id: "like.api-worker-%",
    generation_started_at: `lt.${hoursAgo(0.1)}`,
    attempts: "lt.3",
  }),
  tasks("stale tasks", "id,task_type,worker_id", {
    ...RUNNING,
    worker_id: ["not.is.null", "not.like.api-worker-%"],
    updated_at: `lt.${hoursAgo(0.5)}`,
    attempts: "lt.3",
  }),
  {
    name: "has the worker logged",
    table: "system_logs",
    query: {
      select: "id",
      source_type: "eq.worker",
      worker_id: `eq.${W}`,
      limit: "1",
    },
  },
];

/** 4.4: the debug tools. */
export const DEBUG: readonly Query[] = [
  tasks("a task", "*", { id: `eq.${taskId(ENDED)}` }),
  tasksOf(workerId(777)),
  tasksOf(W),
  tasksOf("api-worker-main"),
  newest({ created_at: `gte.${hoursAgo(48)}` }),
  newest({ worker_id: `eq.${workerId(777)}` }),
  { ...newest({ status: "eq.Failed" }), reads: "newest rows" },
  { ...newest({ task_type: "eq.travel_stitch" }), reads: "newest rows" },
  {
    ...newest({
      status: "eq.Complete",
      task_type: "eq.travel_segment",
      created_at: `gte.${hoursAgo(48)}`,
    }),
    reads: "newest rows",
  },
  { ...tasks("all statuses", "status", {}), reads: "first rows" },
  { ...tasks("all run types", "id,status,run_type", {}), reads: "first rows" },
  tasks("what waits for a task", "id,status,params", {
    dependant_on: `eq.${taskId(ENDED + 1)}`,
  }),
  tasks("tasks of a project", "id,status,params", {
    project_id: `eq.${PROJECT}`,
    task_type: "in.(travel_segment,travel_stitch,join_clips)",
  }),
  ...[
    { worker_id: `eq.${W}` },
    { task_id: `eq.${taskId(LIVE + 5)}` },
    { source_type: "eq.orchestrator_gpu", cycle_number: "eq.4000" },
    { log_level: "eq.ERROR", timestamp: `gte.${hoursAgo(1)}` },
    { message: "ilike.*step by step*" },
  ].map((filter) => ({
    name: `log lines by ${Object.keys(filter).join(" and ")}`,
    table: "system_logs",
    query: { select: "*", order: "timestamp.desc", limit: "500", ...filter },
  })),
  {
    name: "the newest cycles",
    table: "system_logs",
    query: {
      select: "cycle_number,timestamp",
      cycle_number: "not.is.null",
      order: "cycle_number.desc",
      limit: "100",
    },
  },
];

/** A read of `tasks`. */
export function tasks(name: string, select: string, query: Filters): Query {
  return { name, table: "tasks", query: { select, ...query } };
}

function tasksOf(worker: string): Query {
  return {
    ...tasks(`tasks of ${worker}`, "*", {
      worker_id: `eq.${worker}`,
      order: "created_at.desc",
      limit: "20",
    }),
    reads: "a worker's rows",
  };
}

function newest(filter: Readonly<Record<string, string>>): Query {
  return tasks(`the newest by ${Object.keys(filter).join(", ")}`, "*", {
    ...filter,
    order: "created_at.desc",
    limit: "50",
  });
}

/** `.single()` of one task. */
export function one(name: string, select: string, task: number): Query {
  const query = { id: `eq.${taskId(task)}` };
  return { ...tasks(name, select, query), isSingle: true };
}

/** As Python prints JSON, with a space. */
export function childrenOf(task: number): string {
  return `cs.{"orchestrator_task_id_ref": "${taskId(task)}"}`;
}

function hoursAgo(hours: number): string {
  return new Date(Date.now() - hours * 3_600_000).toISOString()
    .replace("Z", "+00:00");
}
