import { z } from "zod";
import {
  FreeText,
  Lease,
  ReportedCount,
  ReportedData,
  ReportedFlag,
  Uuid,
} from "./fields.ts";
import { ReportedStatus, TaskStatus } from "./task-status.ts";

/**
 * Body of `POST /update-task-status`. Deployed workers put the text of a
 * failure in `output_location`; newer ones use the error fields.
 */
export const UpdateStatusRequest = z.object({
  task_id: Uuid,
  status: ReportedStatus.describe("In any case; `_` may stand for the space"),
  output_location: FreeText.describe(
    "Progress text, result, or the reason of a failure",
  ),
  error_message: FreeText.describe(
    "The reason of a failure, a release or a cancellation",
  ),
  error_details: FreeText.describe(
    "The same; with `Queued` it makes the release a failed attempt",
  ),
  thumbnail_url: FreeText.describe("URL of the thumbnail"),
  result_data: ReportedData.describe("As in `complete-task`"),
  reset_generation_started_at: ReportedFlag.meta({
    description: "Billing begins now",
    default: false,
  }),
  attempts: ReportedCount.describe(
    "With `Queued` and `error_details`: which failure this is, counted by the worker. It tells a repeat from the next failure",
  ),
  lease_token: Lease.describe("From the claim"),
});
export type UpdateStatusRequest = z.infer<typeof UpdateStatusRequest>;

/** Reply of `POST /update-task-status`. */
export const UpdateStatusReply = z.looseObject({
  task_id: z.guid(),
  status: TaskStatus,
  changed: z.boolean().optional().describe(
    "False: the report was only recorded. Absent in the reply to Complete",
  ),
  output_location: z.string().nullable(),
});
export type UpdateStatusReply = z.infer<typeof UpdateStatusReply>;
