import { z } from "zod";
import { Pool } from "./claim.ts";
import { Flag, optional } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

/**
 * By what orchestrators since May route work to kinds of workers. This queue
 * does not (ADR 0021): any value is taken, and named in `warnings`.
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

/** Their values may be anything at all. */
const Ignored = z.unknown().optional();
const IGNORED = Object.fromEntries(
  ROUTING_FIELDS.map((field) => [field, Ignored]),
) as Record<RoutingField, typeof Ignored>;

/** Body of `POST /task-counts`; no `run_type` counts all pools. */
export const CountsRequest = z.object({
  run_type: optional(Pool),
  include_active: optional(Flag),
  ...IGNORED,
});
export type CountsRequest = z.infer<typeof CountsRequest>;

const Count = z.int().min(0);
/** Deployed orchestrators slice these as strings: null ends their cycle. */
const Text = z.string();

/** Work as an autoscaler adds it up. */
export const CountTotals = z.looseObject({
  queued_only: Count,
  eligible_queued: Count,
  active_only: Count,
  queued_plus_active: Count,
  /** `queued_only` and `blocked_by_capacity`: for what workers are kept warm. */
  potentially_claimable: Count,
  /** Waits for a running task of its own owner to end. */
  blocked_by_capacity: Count,
  /** Waits for other tasks, or for one that is lost. */
  blocked_by_deps: Count,
  /** Waits until somebody changes credits, a switch, a type or a pool. */
  blocked_by_settings: Count,
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
  /** Tasks that wait, by the one reason each of them has. */
  blocked: z.record(z.string(), Count),
  oldest_claimable_age_seconds: z.number().min(0).nullable(),
  users: z.array(z.looseObject({
    user_id: Text,
    queued_tasks: Count,
    in_progress_tasks: Count,
    at_limit: z.boolean(),
  })),
  /** Users with live work, listed or not. */
  users_total: Count,
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
  /** Averages of the last samples; null for one user's view and before the first. */
  arrivals_per_minute: z.number().min(0).nullable(),
  completions_per_minute: z.number().min(0).nullable(),
  /** Why the numbers should not be acted on unseen; codes in docs/errors.md. */
  warnings: z.array(z.looseObject({ code: Text, message: Text })),
  suggested_workers: Count.nullable(),
  snapshot_at: Text,
});
export type CountsReply = z.infer<typeof CountsReply>;
