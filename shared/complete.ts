import { z } from "zod";
import { FreeText, Lease, optional, ReportedData, Uuid } from "./fields.ts";

const Text = z.string({ error: "must be a string" });

/**
 * Body of `POST /complete-task`. Deployed clients send one of: an output as
 * text, nothing but the id, a path in the bucket, or the file in base64. It is
 * refused only for its id, or for a file or path that is not one.
 */
export const CompleteRequest = z.object({
  task_id: Uuid,
  output_location: FreeText.describe("The result as text, usually a URL"),
  thumbnail_url: FreeText.describe("URL of the thumbnail"),
  storage_path: optional(Text).describe(
    "Path in the bucket `image_uploads`, stored as its public URL; wins over `output_location`. With a token or JWT only below the folder of the task's owner",
  ),
  thumbnail_storage_path: FreeText.describe("The same for the thumbnail"),
  file_data: optional(Text).describe(
    "The file itself in base64: stored, then completed with its public URL; wins over `storage_path`",
  ),
  filename: FreeText.describe("Name to store the file under"),
  first_frame_data: FreeText.describe(
    "The thumbnail in base64; left out when it is no image or cannot be stored",
  ),
  first_frame_filename: FreeText.describe("Name to store the thumbnail under"),
  result_data: ReportedData.describe(
    "Stored as written. Anything but an object is wrapped in one, under `result_data`; of more than 1 MiB the two ends and the length are kept",
  ),
  lease_token: Lease.describe("From the claim"),
});
export type CompleteRequest = z.infer<typeof CompleteRequest>;

/** Reply of `POST /complete-task`; a repeat gets the stored result again. */
export const CompleteReply = z.looseObject({
  task_id: z.guid(),
  status: z.string().describe(
    "Look at it: a late completion of a Failed or Cancelled task answers 200 too",
  ),
  output_location: z.string().nullable(),
  public_url: z.string().nullable(),
  thumbnail_url: z.string().nullable(),
  generation_id: z.guid().nullable(),
  generation_created: z.boolean(),
  error_message: z.string().nullable(),
  attempt: z.int(),
});
export type CompleteReply = z.infer<typeof CompleteReply>;
