import type { Caller } from "../callers/caller.ts";
import { asApiError } from "./api-error.ts";
import type { EndpointDeps } from "./endpoint.ts";
import { writeLog } from "./log.ts";

/** A machine that asks about its task all the time is noted once in so long. */
const EVERY_MS = 60_000;
/** More tasks than one instance hears of in that time; then all are forgotten. */
const MAX_KEPT = 1_000;

/** Notes that a caller has asked about a task. */
export type NoteCall = (
  caller: Caller,
  taskId: string | undefined,
  requestId: string,
) => void;

/**
 * A question about a task that the asking machine runs is a sign of its life,
 * but it was answered in a transaction that only reads. Whether the task is the
 * machine's own, the database decides, after the reply.
 */
export function createNoteCall(
  { rpc, now, log, after }: EndpointDeps,
): NoteCall {
  const lastAt = new Map<string, number>();
  return (caller, taskId, requestId) => {
    if (caller.kind !== "token" || taskId === undefined) return;
    const key = `${caller.hash}:${taskId}`;
    const last = lastAt.get(key);
    if (last !== undefined && now() - last < EVERY_MS) return;
    if (lastAt.size >= MAX_KEPT) lastAt.clear();
    lastAt.set(key, now());
    const args = { p_caller: caller, p_task_id: taskId };
    after(
      rpc("note_call", args, requestId).then(() => undefined, (thrown) => {
        lastAt.delete(key);
        writeLog(log, "warn", "a sign of life was not noted", {
          request_id: requestId,
          task_id: taskId,
          code: asApiError(thrown).code,
        });
      }),
    );
  };
}
