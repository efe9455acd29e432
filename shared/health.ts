import { z } from "zod";

/** Body of `POST /health`: empty. */
export const HealthRequest = z.object({});
export type HealthRequest = z.infer<typeof HealthRequest>;

/** The last run of a job of the queue, and its result. */
const Job = z.looseObject({
  job: z.string(),
  period_seconds: z.number(),
  ran_at: z.string().nullable(),
  took_ms: z.number().nullable(),
  failed_at: z.string().nullable(),
  error: z.string().nullable(),
});

/** Reply of `POST /health`. */
export const HealthReply = z.looseObject({
  version: z.string().describe("The version of the schema"),
  status: z.enum(["ok", "degraded"]),
  reasons: z.array(z.looseObject({
    code: z.enum([
      "JOB_LATE",
      "JOB_FAILED",
      "DRIFT",
      "ROW_MISSING",
      "RESTORE_UNFINISHED",
      "SETTLING_LATE",
      "HELD_UP",
    ]),
    message: z.string(),
  })),
  notices: z.array(z.looseObject({
    code: z.enum(["FIELD_NOT_USED", "UNKNOWN_TASK_TYPE"]),
    message: z.string(),
  })).describe("Worth knowing, and no fault: `status` stays as it is"),
  checked_at: z.string(),
  database_started_at: z.string(),
  jobs: z.array(Job),
});
export type HealthReply = z.infer<typeof HealthReply>;
