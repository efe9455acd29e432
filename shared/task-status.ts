import { z } from "zod";

/** Every status a task can have, spelled as it is stored and sent. */
export const TASK_STATUSES = [
  "Queued",
  "In Progress",
  "Complete",
  "Failed",
  "Cancelled",
] as const;

/** One of the five task statuses; anything else is refused. */
export const TaskStatus = z.enum(TASK_STATUSES, {
  error: `must be one of ${TASK_STATUSES.join(", ")}`,
});
export type TaskStatus = z.infer<typeof TaskStatus>;

/** Statuses that no claim, completion or failure changes again. */
export const TERMINAL_STATUSES = ["Complete", "Failed", "Cancelled"] as const;
