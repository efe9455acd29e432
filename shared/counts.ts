import { z } from "zod";
import { Pool } from "./claim.ts";
import { Flag, optional } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

/**
 * Fields by which orchestrators since May route work to kinds of workers. This
 * queue does not (ADR 0021): any value is accepted, and named in `warnings`.
 */
export const ROUTING_FIELDS = [
  "worker_backend",
  "worker_profile",
  "worker_pool",
  "selector_namespace",
  "selector_version",
  "worker_contract_version",
  "worker_run_id",
] as const;

type RoutingField = typeof ROUTING_FIELDS[number];

/** Their values may be anything. */
const Ignored = z.unknown().optional().describe(
  "Not used; named in `warnings`",
);
const IGNORED = Object.fromEntries(
  ROUTING_FIELDS.map((field) => [field, Ignored]),
) as Record<RoutingField, typeof Ignored>;

/** Body of `POST /task-counts`; no `run_type` counts all pools. */
export const CountsRequest = z.object({
  run_type: optional(Pool).describe("One pool; absent: all pools"),
  include_active: optional(Flag).meta({
    description:
      "Whether `count`, `available_tasks` and `queued_plus_active` include running tasks",
    default: true,
  }),
  include_lists: optional(Flag).meta({
    description:
      "false: `users`, `recent_tasks`, `queued_tasks` and `active_tasks` stay empty, which costs a third",
    default: true,
  }),
  ...IGNORED,
});
export type CountsRequest = z.infer<typeof CountsRequest>;

const Count = z.int().min(0);
/** Deployed orchestrators slice these as strings; null would crash their cycle. */
const Text = z.string();

/** Work as an autoscaler adds it up. */
export const CountTotals = z.looseObject({
  queued_only: Count.describe("Tasks that claims could take now"),
  eligible_queued: Count.describe("The same number"),
  active_only: Count.describe("Running tasks that take a slot"),
  queued_plus_active: Count,
  potentially_claimable: Count.describe("queued_only + blocked_by_capacity"),
  blocked_by_capacity: Count.describe("Wait for a running task of their owner"),
  blocked_by_deps: Count.describe("Wait for other tasks, or for a lost one"),
  blocked_by_settings: Count.describe(
    "Wait until credits, a switch, a type or a pool change",
  ),
});

/** Reply of `POST /task-counts`, one snapshot. */
export const CountsReply = z.looseObject({
  run_type: Pool.nullable(),
  totals: CountTotals,
  count: Count,
  available_tasks: Count,
  queued_plus_active: Count,
  global_task_breakdown: z.looseObject({
    in_progress_total: Count,
    in_progress_cloud: Count,
    in_progress_local: Count,
    orchestrator_tasks: Count,
  }),
  blocked: z.record(z.string(), Count).describe("Waiting tasks by reason"),
  oldest_claimable_age_seconds: z.number().min(0).nullable(),
  users: z.array(z.looseObject({
    user_id: Text,
    queued_tasks: Count,
    in_progress_tasks: Count,
    at_limit: z.boolean(),
  })),
  users_total: Count.describe("Users with live work, listed or not"),
  recent_tasks: z.array(z.looseObject({
    task_id: Text,
    status: TaskStatus,
    is_cloud: z.boolean(),
  })),
  queued_tasks: z.array(z.looseObject({
    task_id: Text,
    task_type: Text,
    user_id: Text,
    created_at: Text,
  })),
  active_tasks: z.array(z.looseObject({
    task_id: Text,
    task_type: Text,
    worker_id: Text.optional(),
    started_at: Text,
  })),
  arrivals_per_minute: z.number().min(0).nullable().describe(
    "Average of the last samples; null before the first, and for one user's view",
  ),
  completions_per_minute: z.number().min(0).nullable(),
  warnings: z.array(z.looseObject({ code: Text, message: Text })).describe(
    "Reasons to look twice before acting on the numbers",
  ),
  suggested_workers: Count.nullable().describe(
    "Machines that could be busy at once",
  ),
  snapshot_at: Text,
});
export type CountsReply = z.infer<typeof CountsReply>;
