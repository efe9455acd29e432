import { z } from "zod";

/** One line of a worker's log, as a beat carries it. */
export interface LogLine {
  readonly timestamp: string;
  readonly level: "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";
  readonly message: string;
  readonly task_id: string | null;
}

/** Reply of the rpc `func_worker_heartbeat_with_logs`. */
export const BeatReply = z.looseObject({
  success: z.literal(true),
  logs_inserted: z.int().min(0),
  log_errors: z.int().min(0),
  /** What the worker should let go of, and why. */
  stop: z.array(z.looseObject({ task_id: z.guid(), reason: z.string() })),
});
export type BeatReply = z.infer<typeof BeatReply>;
