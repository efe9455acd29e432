import { z } from "zod";
import { canonicalUuid, name, optional, ReportedUuid } from "./fields.ts";

/** One line of a worker's log, as a heartbeat carries it. */
export interface LogLine {
  readonly timestamp: string;
  readonly level: "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";
  readonly message: string;
  readonly task_id: string | null;
}

const TaskIds = z.unknown().optional().transform(
  (value): string[] | undefined =>
    Array.isArray(value)
      ? value.slice(0, 1_000).flatMap((id) =>
        typeof id === "string" ? canonicalUuid(id) ?? [] : []
      )
      : undefined,
).meta({ type: "array", items: { type: "string", format: "uuid" } });

/** An unknown size is no reason to refuse a heartbeat. */
const Megabytes = z.unknown().optional().transform(
  (value): number | undefined => typeof value === "number" ? value : undefined,
).meta({ type: "number" });

/** Body of `POST /beat`. */
export const BeatRequest = z.object({
  worker_id: name(200).describe("Who sends the heartbeat"),
  status: optional(z.enum(["active", "terminated", "crashed"])).meta({
    description:
      "`terminated`: the worker ends itself. `crashed`: its process is gone",
    default: "active",
  }),
  task_id: ReportedUuid.describe("The task that runs, when it is one"),
  task_ids: TaskIds.describe(
    "Every task that this machine runs, at most 1,000; the heartbeat then covers no other",
  ),
  vram_total_mb: Megabytes.meta({
    description: "Total video memory",
    "x-unit": "MB",
  }),
  vram_used_mb: Megabytes.meta({
    description: "Video memory in use",
    "x-unit": "MB",
  }),
  logs: z.unknown().optional().meta({
    type: "array",
    description: "Log lines: `{timestamp, level, message, task_id, metadata}`",
  }),
});
export type BeatRequest = z.infer<typeof BeatRequest>;

/** Reply to a heartbeat: `POST /beat`, and the rpc `func_worker_heartbeat_with_logs`. */
export const BeatReply = z.looseObject({
  success: z.literal(true),
  logs_inserted: z.int().min(0),
  log_errors: z.int().min(0).describe("Log lines that could not be stored"),
  stop: z.array(z.looseObject({ task_id: z.guid(), reason: z.string() }))
    .describe("Tasks the worker should stop, and why"),
});
export type BeatReply = z.infer<typeof BeatReply>;
