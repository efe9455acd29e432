import { z } from "zod";
import { Flag, name, optional, Uuid } from "./fields.ts";

/**
 * Body of `POST /generate-upload-url`. Sent before a large result is uploaded,
 * and for files that a task makes while it runs.
 */
export const UploadUrlRequest = z.object({
  task_id: Uuid,
  filename: name(1024).describe(
    "Its last part counts; the extension must be that of an image or a video",
  ),
  content_type: optional(name(255)).describe(
    "Gives the extension when the name has none",
  ),
  generate_thumbnail_url: optional(Flag).meta({
    description: "Return a second URL, for the thumbnail",
    default: false,
  }),
  lease_token: optional(Uuid).describe("From the claim; a lost one is refused"),
});
export type UploadUrlRequest = z.infer<typeof UploadUrlRequest>;

/**
 * Reply of `POST /generate-upload-url`. Deployed workers ask whether
 * `thumbnail_upload_url` is there at all, so it is absent unless asked for.
 */
export const UploadUrlReply = z.looseObject({
  upload_url: z.url().describe(
    "Takes a PUT of the bytes with their Content-Type, without credentials; a second PUT replaces the first",
  ),
  storage_path: z.string(),
  public_url: z.url(),
  token: z.string(),
  expires_at: z.string().nullable(),
  thumbnail_upload_url: z.url().optional().describe(
    "This and the next two only when asked for",
  ),
  thumbnail_storage_path: z.string().optional(),
  thumbnail_token: z.string().optional(),
});
export type UploadUrlReply = z.infer<typeof UploadUrlReply>;

/** Reply of the SQL function `upload_target`. */
export const UploadTarget = z.object({
  task_id: z.guid(),
  /** Null for tasks from before owners were recorded. */
  user_id: z.guid().nullable(),
  status: z.string(),
  /** The number of the task's last attempt. */
  attempt: z.int(),
  /** Whether the task can still become Complete, and so takes files. */
  is_open: z.boolean(),
});
export type UploadTarget = z.infer<typeof UploadTarget>;
