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

/**
 * The status that a report names, in any case and with `_` or nothing for the
 * space, so that a worker that spells it otherwise is still understood.
 */
export const ReportedStatus = z.unknown().transform((value) =>
  typeof value === "string"
    ? TASK_STATUSES.find((status) => plain(status) === plain(value)) ?? value
    : value
).pipe(TaskStatus).meta({ type: "string", enum: [...TASK_STATUSES] });

function plain(status: string): string {
  return status.toLowerCase().replace(/[\s_-]+/g, "");
}

/** Statuses that no claim, completion or failure changes again. */
export const TERMINAL_STATUSES = ["Complete", "Failed", "Cancelled"] as const;
