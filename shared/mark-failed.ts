import { z } from "zod";
import { FreeText, Lease, ReportedFlag, Uuid } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

/** Body of `POST /mark-task-failed`. */
export const MarkFailedRequest = z.object({
  task_id: Uuid,
  error_message: FreeText,
  /** Where deployed workers put the text of a failure. */
  output_location: FreeText,
  error_details: FreeText,
  /** False ends the task at once; absent = try again while starts are left. */
  retryable: ReportedFlag,
  lease_token: Lease,
});
export type MarkFailedRequest = z.infer<typeof MarkFailedRequest>;

/** Reply of `POST /mark-task-failed`. */
export const MarkFailedReply = z.looseObject({
  task_id: z.guid(),
  status: TaskStatus,
  /** False: the report was only recorded. */
  changed: z.boolean(),
  will_retry: z.boolean(),
  /** When it is handed out again at the earliest; null when it is not. */
  available_at: z.string().nullable(),
  error_message: z.string().nullable(),
});
export type MarkFailedReply = z.infer<typeof MarkFailedReply>;
