import {
  ERROR_CODES,
  type ErrorBody,
  type ErrorCode,
} from "../../../../shared/error-codes.ts";

/** Optional parts of an error; `logged` stays in the log and is never sent. */
export interface ErrorParts {
  readonly hint?: string | undefined;
  readonly details?: unknown;
  /** The methods that would do instead. */
  readonly allow?: string;
  readonly logged?: Readonly<Record<string, string | number>>;
}

/** After how many seconds a retry may succeed. */
const RETRY_AFTER: Partial<Record<ErrorCode, string>> = {
  UNAVAILABLE: "1",
  SCHEMA_TOO_OLD: "30",
  // Tasks run for minutes; room does not come sooner.
  QUEUE_FULL: "30",
};

/** A failure that is reported to the caller; its code decides the status. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly parts: ErrorParts;

  constructor(code: ErrorCode, message: string, parts: ErrorParts = {}) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.parts = parts;
  }

  /** The HTTP status of this error. */
  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** The error itself, or INTERNAL with the cause kept for the log. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const cause = error instanceof Error
    ? `${error.name}: ${error.message}`
    : typeof error;
  return new ApiError("INTERNAL", "The request could not be processed", {
    logged: { cause: withoutValues(cause) },
  });
}

/**
 * The part of a technical message that fits in a log: Postgres and the JSON
 * parser quote the offending value after a colon, and values stay out of logs.
 */
export function withoutValues(message: string): string {
  return message.split(/: ["']|, ["']|: \.\.\./)[0]?.slice(0, 200) ?? "";
}

/** The reply that tells the caller of `error`. */
export function toResponse(error: ApiError): Response {
  const { hint, details, allow } = error.parts;
  const body: ErrorBody = {
    code: error.code,
    message: error.message,
    ...(hint !== undefined && { hint }),
    ...(details !== undefined && { details }),
  };
  const response = Response.json(body, { status: error.status });
  const retryAfter = RETRY_AFTER[error.code];
  if (retryAfter !== undefined) response.headers.set("retry-after", retryAfter);
  if (allow !== undefined) response.headers.set("allow", allow);
  return response;
}
