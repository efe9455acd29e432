import { z } from "zod";
import { optional } from "./fields.ts";

const WINDOW_ERROR = "must be a number from 1 to 1440";

/** Body of `POST /worker-health`. */
export const WorkerHealthRequest = z.object({
  window_minutes: optional(
    z.number({ error: WINDOW_ERROR }).min(1, { error: WINDOW_ERROR })
      .max(1440, { error: WINDOW_ERROR }),
  ).meta({
    description: "How far back failures and silences are looked at",
    "x-unit": "minutes",
    default: 30,
  }),
});
export type WorkerHealthRequest = z.infer<typeof WorkerHealthRequest>;

/** The state of a worker; the first that applies. */
export const Health = z.enum([
  "claims_refused",
  "terminating",
  "terminated",
  "failed",
  "starting",
  "never_beat",
  "stale",
  "stuck_task",
  "overlong_task",
  "silent",
  "never_claimed",
  "healthy",
]);
export type Health = z.infer<typeof Health>;

/** A task that a failed worker took down with it. */
const TakenDown = z.looseObject({
  task_id: z.guid(),
  task_type: z.string().nullable(),
  outcome: z.enum(["requeue_lost", "failed", "still_held"]),
});

/** Reply: each worker, the failures of the window, whether to rent more. */
export const WorkerHealthReply = z.looseObject({
  window_minutes: z.number(),
  by_health: z.partialRecord(Health, z.int()),
  workers: z.array(z.looseObject({
    worker_id: z.string(),
    status: z.string(),
    health: Health,
    reason: z.string().nullable(),
    last_heartbeat: z.string().nullable(),
    last_log_at: z.string().nullable(),
    last_refusal_at: z.string().nullable(),
    has_claimed: z.boolean(),
    tasks_held: z.int(),
    current_task_id: z.guid().nullable(),
  })),
  failures: z.looseObject({
    workers_seen: z.int(),
    workers_failed: z.int(),
    failure_rate: z.number().nullable().describe("Null: no worker was seen"),
    reasons: z.array(z.object({ reason: z.string(), workers: z.int() })),
    failed_workers: z.array(z.looseObject({
      worker_id: z.string(),
      reason: z.string(),
      tasks: z.array(TakenDown),
    })),
  }),
  spawning: z.looseObject({
    makes_sense: z.boolean(),
    code: z.enum([
      "NOTHING_CLAIMABLE",
      "WORKERS_FAIL",
      "ENOUGH_WORKERS",
      "MORE_WORK_THAN_WORKERS",
    ]),
    message: z.string(),
    claimable: z.int(),
    free_workers: z.int(),
  }),
});
export type WorkerHealthReply = z.infer<typeof WorkerHealthReply>;
