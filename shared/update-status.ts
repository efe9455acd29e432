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
  status: ReportedStatus,
  output_location: FreeText,
  error_message: FreeText,
  error_details: FreeText,
  thumbnail_url: FreeText,
  result_data: ReportedData,
  reset_generation_started_at: ReportedFlag,
  /**
   * With Queued and `error_details`: which failure this is, counted by the
   * worker. It tells a repeat from the next one; the queue counts itself.
   */
  attempts: ReportedCount,
  lease_token: Lease,
});
export type UpdateStatusRequest = z.infer<typeof UpdateStatusRequest>;

/** Reply of `POST /update-task-status`. */
export const UpdateStatusReply = z.looseObject({
  task_id: z.guid(),
  status: TaskStatus,
  /** False: the report was only recorded. Not in the reply to Complete. */
  changed: z.boolean().optional(),
  output_location: z.string().nullable(),
});
export type UpdateStatusReply = z.infer<typeof UpdateStatusReply>;
