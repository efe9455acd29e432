import { z } from "zod";
import { canonicalUuid, name, optional, ReportedUuid } from "./fields.ts";

/** One line of a worker's log, as a beat carries it. */
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

/** What nobody knows is no reason to lose a beat. */
const Megabytes = z.unknown().optional().transform(
  (value): number | undefined => typeof value === "number" ? value : undefined,
).meta({ type: "number" });

/** Body of `POST /beat`. */
export const BeatRequest = z.object({
  worker_id: name(200),
  /** terminated: the worker ends itself; crashed: its process is gone. */
  status: optional(z.enum(["active", "terminated", "crashed"])),
  /** What runs, when it is one task. */
  task_id: ReportedUuid,
  /** All that this machine runs; then nothing else is shown to live. */
  task_ids: TaskIds,
  vram_total_mb: Megabytes,
  vram_used_mb: Megabytes,
  /** Log lines: {timestamp, level, message, task_id, metadata}. */
  logs: z.unknown().optional().meta({ type: "array" }),
});
export type BeatRequest = z.infer<typeof BeatRequest>;

/** Reply of a beat: `POST /beat`, and the rpc `func_worker_heartbeat_with_logs`. */
export const BeatReply = z.looseObject({
  success: z.literal(true),
  logs_inserted: z.int().min(0),
  log_errors: z.int().min(0),
  /** What the worker should let go of, and why. */
  stop: z.array(z.looseObject({ task_id: z.guid(), reason: z.string() })),
});
export type BeatReply = z.infer<typeof BeatReply>;
