import type { Caller } from "./caller.ts";
import type { LogFields } from "./log.ts";
import type { Rpc } from "./rpc.ts";

/** A machine that asks about its task all the time is noted once in so long. */
const EVERY_MS = 60_000;
/** More tasks than one instance hears of in that time; then all are forgotten. */
const MAX_KEPT = 1_000;

/** What `createNoteCall` needs from outside. */
export interface NoteCallDeps {
  readonly rpc: Rpc;
  readonly now: () => number;
}

/** Notes that a caller has asked about a task. */
export type NoteCall = (
  caller: Caller,
  noted: LogFields,
  requestId: string,
) => Promise<void>;

/**
 * A question about a task that the asking machine runs is a sign of its life,
 * but it was answered in a transaction that only reads. Whether the task is the
 * machine's own, the database decides. The answer does not depend on it.
 */
export function createNoteCall({ rpc, now }: NoteCallDeps): NoteCall {
  const lastAt = new Map<string, number>();
  return async (caller, { task_id: taskId }, requestId) => {
    if (caller.kind !== "token" || typeof taskId !== "string") return;
    const key = `${caller.hash}:${taskId}`;
    const last = lastAt.get(key);
    if (last !== undefined && now() - last < EVERY_MS) return;
    if (lastAt.size >= MAX_KEPT) lastAt.clear();
    lastAt.set(key, now());
    await rpc("note_call", { p_caller: caller, p_task_id: taskId }, requestId)
      .catch(() => lastAt.delete(key));
  };
}
