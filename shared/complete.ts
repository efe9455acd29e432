import { z } from "zod";
import { FreeText, Lease, optional, ReportedData, Uuid } from "./fields.ts";

const Text = z.string({ error: "must be a string" });

/**
 * Body of `POST /complete-task`. Deployed clients send one of: an output as
 * text, nothing but the id, a path in the bucket, or the file in base64. Only
 * the id, and a file or path that is none, are a reason to refuse it.
 */
export const CompleteRequest = z.object({
  task_id: Uuid,
  output_location: FreeText,
  thumbnail_url: FreeText,
  storage_path: optional(Text),
  thumbnail_storage_path: FreeText,
  /** The file itself in base64, and the name it is to be stored under. */
  file_data: optional(Text),
  filename: FreeText,
  /** The same for the thumbnail; without a usable one the task has none. */
  first_frame_data: FreeText,
  first_frame_filename: FreeText,
  result_data: ReportedData,
  lease_token: Lease,
});
export type CompleteRequest = z.infer<typeof CompleteRequest>;

/** Reply of `POST /complete-task`; a repeat gets the stored result again. */
export const CompleteReply = z.looseObject({
  task_id: z.guid(),
  status: z.string(),
  output_location: z.string().nullable(),
  public_url: z.string().nullable(),
  thumbnail_url: z.string().nullable(),
  generation_id: z.guid().nullable(),
  generation_created: z.boolean(),
  error_message: z.string().nullable(),
  attempt: z.int(),
});
export type CompleteReply = z.infer<typeof CompleteReply>;
