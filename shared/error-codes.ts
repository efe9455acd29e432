import { z } from "zod";

/** What an error code means, and what its receiver can do. */
export interface ErrorCodeEntry {
  readonly status: number;
  readonly meaning: string;
  readonly action: string;
}

/** Every `code` an error body can carry. Codes are never renamed or reused. */
export const ERROR_CODES = {
  MISSING_CREDENTIALS: {
    status: 401,
    meaning: "The request carries no key or token",
    action: "Send `Authorization: Bearer <key or token>` or `apikey: <key>`",
  },
  INVALID_CREDENTIALS: {
    status: 401,
    meaning: "The Authorization header or the user JWT is not valid",
    action: "Sign in again, or send the header as `Bearer <token>`",
  },
  UNKNOWN_TOKEN: {
    status: 403,
    meaning: "The access token is unknown, revoked or expired",
    action: "Create a new access token",
  },
  FORBIDDEN: {
    status: 403,
    meaning: "This kind of caller may not do this",
    action: "Use a service key, or a token of the kind the endpoint names",
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    meaning: "The endpoint answers POST only",
    action: "Send a POST with a JSON body",
  },
  ROUTE_NOT_FOUND: {
    status: 404,
    meaning: "The function `fairlane` has no such route",
    action: "Use one of the routes in `details`",
  },
  INVALID_BODY: {
    status: 400,
    meaning: "The body is not the JSON object this endpoint expects",
    action: "Correct the field that the message names",
  },
  INVALID_ARGUMENT: {
    status: 400,
    meaning: "The database refused a value of the request",
    action: "Correct the value that the message names",
  },
  BODY_TOO_LARGE: {
    status: 413,
    meaning: "The body is larger than the endpoint accepts",
    action: "Upload the file first and send its path, or shorten the text",
  },
  PARAMS_TOO_LARGE: {
    status: 413,
    meaning:
      "Params, settings or metadata have more than 1 MiB written out, 100 levels, 200,000 values or 400 characters a number",
    action: "Store what is large as a file and send its URL",
  },
  TASK_NOT_FOUND: {
    status: 404,
    meaning: "There is no such task, or it belongs to someone else",
    action: "Check the id and whose token is used",
  },
  DEPENDENCY_CYCLE: {
    status: 400,
    meaning: "The task would wait for itself, directly or through others",
    action: "Depend only on tasks that do not wait for this one",
  },
  FILE_NOT_FOUND: {
    status: 409,
    meaning: "The storage path names no file in the task's folder",
    action: "Upload the file first, then repeat the completion",
  },
  FILE_EMPTY: {
    status: 409,
    meaning: "The result file is empty",
    action: "Report the task as failed, or upload the file and repeat",
  },
  WORKER_NOT_FOUND: {
    status: 404,
    meaning: "There is no worker with this id",
    action: "Check the id; a worker's first heartbeat creates its row",
  },
  ILLEGAL_TRANSITION: {
    status: 409,
    meaning: "The task cannot go from its status to the one asked for",
    action: "Read the task again; both statuses are in the message",
  },
  NOT_THE_HOLDER: {
    status: 409,
    meaning:
      "Only the worker that runs the task may report its progress or release it",
    action: "Cancel or complete the task, or leave it to its worker",
  },
  LEASE_LOST: {
    status: 409,
    meaning: "The lease token is not that of the task's last attempt",
    action: "Drop the work: the task was taken back, or another worker has it",
  },
  WORKER_NOT_ELIGIBLE: {
    status: 409,
    meaning: "The worker is terminating, terminated or in error",
    action: "Start a new worker under a new id",
  },
  CLAIM_ID_USED: {
    status: 409,
    meaning: "The claim_id was already used for another claim",
    action: "Claim with a new claim_id",
  },
  TOO_MANY_TOKENS: {
    status: 409,
    meaning: "The user has 20 personal access tokens in use",
    action: "Revoke one, then create the next",
  },
  TOO_MANY_PROJECTS: {
    status: 409,
    meaning: "The user has 1,000 projects, the most a user may have",
    action: "Delete one, then create the next",
  },
  TASK_ID_TAKEN: {
    status: 409,
    meaning: "The task_id cannot be used for a new task",
    action: "Choose a new random id",
  },
  PROJECT_REQUIRED: {
    status: 400,
    meaning: "Nothing in the request identifies one project of the caller",
    action: "Send the project's UUID, or the orchestrator's id in params",
  },
  OWNER_UNKNOWN: {
    status: 400,
    meaning:
      "The request does not say whose task it is, or they have no account",
    action:
      "Send user_id of a user who has signed up, or the UUID of a project",
  },
  PROJECT_NOT_FOUND: {
    status: 404,
    meaning: "There is no such project, or it belongs to someone else",
    action: "Check the id and whose token is used",
  },
  PROJECT_HAS_TASKS: {
    status: 409,
    meaning: "The project cannot change hands as it is",
    action: "Use `move_project` while none of its tasks runs",
  },
  TRUNCATE_REFUSED: {
    status: 409,
    meaning: "Live tasks depend on the table to be truncated",
    action: "Delete rows instead, or truncate `public.tasks`",
  },
  QUEUE_FULL: {
    status: 429,
    meaning: "The user has the maximum number of queued tasks",
    action: "Wait the seconds in Retry-After, or cancel queued tasks",
  },
  NOT_SUPPORTED: {
    status: 501,
    meaning: "This form of the request is not served yet",
    action: "Use the form that the message names",
  },
  SCHEMA_TOO_OLD: {
    status: 503,
    meaning:
      "The database has an older version of the queue than the functions; nothing was done",
    action: "Run `npx supabase db push --remote`, then repeat the request",
  },
  UNAVAILABLE: {
    status: 503,
    meaning:
      "The database or file storage cannot answer now; the outcome is unknown",
    action: "Repeat the same request after the seconds in Retry-After",
  },
  INTERNAL: {
    status: 500,
    meaning: "The request failed through no fault of the caller",
    action: "Look up the request id in the function's log",
  },
} as const satisfies Record<string, ErrorCodeEntry>;

/** A stable error code. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** True when `value` is one of the codes of the table. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERROR_CODES, value);
}

/** The body of every reply with a status of 400 or more. */
export const ErrorBody = z.strictObject({
  code: z.custom<ErrorCode>(isErrorCode),
  message: z.string().min(1),
  hint: z.string().optional(),
  details: z.unknown().optional(),
});
export type ErrorBody = z.infer<typeof ErrorBody>;
