import type { ErrorCode } from "../error-codes.ts";

/** The queue said no; the same request would be refused again. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly status: number,
    /** Undefined: not one of docs/errors.md, so not the queue's own words. */
    readonly code: ErrorCode | undefined,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** No answer within the patience of the request: nobody knows what happened. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";

  constructor(path: string, readonly tries: number, cause: unknown) {
    const last = cause instanceof Error ? cause.message : String(cause);
    super(`No answer from ${path} in ${tries} tries, the last: ${last}`, {
      cause,
    });
  }
}

/** A success whose body is not what shared/ says: other versions meet. */
export class UnexpectedReply extends Error {
  override readonly name = "UnexpectedReply";
}

/** Thrown by a handler: the task fails for good, another try is no use. */
export class GiveUp extends Error {
  override readonly name = "GiveUp";
}

/** Reason of a task's signal: the task is no longer this worker's. */
export class LeaseEnded extends Error {
  override readonly name = "LeaseEnded";
}

/** Reason of a task's signal: the worker shuts down, the task goes back. */
export class ShuttingDown extends Error {
  override readonly name = "ShuttingDown";
}

/** True for a refusal that says: this task is not yours any more. */
export function isLeaseLost(error: unknown): error is Refused {
  if (!(error instanceof Refused)) return false;
  return error.code === "LEASE_LOST" || error.code === "ILLEGAL_TRANSITION" ||
    error.code === "TASK_NOT_FOUND";
}
