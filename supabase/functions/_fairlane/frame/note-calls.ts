import type { Caller } from "../callers/caller.ts";
import { asApiError } from "./api-error.ts";
import type { EndpointDeps } from "./endpoint.ts";
import { writeLog } from "./log.ts";

/** The shortest time between two notes about one task. */
const EVERY_MS = 60_000;
/** More tasks than an instance sees in that time; beyond it all are forgotten. */
const MAX_KEPT = 1_000;

/** Notes that a caller has asked about a task. */
export type NoteCall = (
  caller: Caller,
  taskId: string | undefined,
  requestId: string,
) => void;

/**
 * A question about a task that the calling machine runs is a sign of life, but
 * it was answered in a transaction that only reads. After the reply the database
 * decides whether the task is the machine's own.
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
