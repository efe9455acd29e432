import type { ErrorCode } from "../error-codes.ts";

/** The queue refused; the same request would be refused again. */
export class QueueError extends Error {
  override readonly name = "QueueError";

  constructor(
    readonly status: number,
    /** Undefined: no code of docs/errors.md, so not an answer of the queue. */
    readonly code: ErrorCode | undefined,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** No answer within the request's time limit: the outcome is unknown. */
export class NoResponseError extends Error {
  override readonly name = "NoResponseError";

  constructor(path: string, readonly tries: number, cause: unknown) {
    const last = cause instanceof Error ? cause.message : String(cause);
    super(`No answer from ${path} in ${tries} tries, the last: ${last}`, {
      cause,
    });
  }
}

/** A success whose body does not fit the contract: versions differ. */
export class UnexpectedReply extends Error {
  override readonly name = "UnexpectedReply";
}

/** Thrown by a handler: the task fails for good, without another attempt. */
export class NonRetryableError extends Error {
  override readonly name = "NonRetryableError";
}

/** Reason of a task's signal: the task is no longer this worker's. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
}

/** Reason of a task's signal: the worker shuts down, the task is released. */
export class ShuttingDown extends Error {
  override readonly name = "ShuttingDown";
}

/** True for a refusal because the task is no longer this worker's. */
export function isLeaseLost(error: unknown): error is QueueError {
  if (!(error instanceof QueueError)) return false;
  return error.code === "LEASE_LOST" || error.code === "ILLEGAL_TRANSITION" ||
    error.code === "TASK_NOT_FOUND";
}
