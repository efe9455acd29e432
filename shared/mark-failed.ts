import { z } from "zod";
import { FreeText, Lease, ReportedFlag, Uuid } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

/** Body of `POST /mark-task-failed`. */
export const MarkFailedRequest = z.object({
  task_id: Uuid,
  error_message: FreeText.describe("The reason"),
  output_location: FreeText.describe(
    "The reason, where deployed workers put it",
  ),
  error_details: FreeText.describe("The reason, when the other two are empty"),
  retryable: ReportedFlag.meta({
    description:
      "`false` ends the task at once; else it is tried again while attempts are left",
    default: true,
  }),
  lease_token: Lease.describe("From the claim"),
});
export type MarkFailedRequest = z.infer<typeof MarkFailedRequest>;

/** Reply of `POST /mark-task-failed`. */
export const MarkFailedReply = z.looseObject({
  task_id: z.guid(),
  status: TaskStatus,
  changed: z.boolean().describe("False: the report was only recorded"),
  will_retry: z.boolean(),
  available_at: z.string().nullable().describe(
    "When it is handed out again at the earliest; null: never",
  ),
  error_message: z.string().nullable(),
});
export type MarkFailedReply = z.infer<typeof MarkFailedReply>;
