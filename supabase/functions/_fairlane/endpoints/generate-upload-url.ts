import {
  type UploadUrlReply,
  UploadUrlRequest,
} from "../../../../shared/upload-url.ts";
import { safeFile } from "../files/file-name.ts";
import { askUploadTarget } from "../files/upload-target.ts";
import { ApiError } from "../frame/api-error.ts";
import { defineEndpoint } from "../frame/endpoint.ts";
import { SMALL_BODY } from "../frame/read-body.ts";

/**
 * `POST /generate-upload-url`: where to PUT a file of a task that is not yet
 * done. The task is not changed; it may have any number of files.
 */
export const generateUploadUrl = defineEndpoint({
  name: "generate-upload-url",
  callers: ["service", "token", "user"],
  schema: UploadUrlRequest,
  maxBytes: SMALL_BODY,
  answer: async ({ body, rpc, note }, { files, paths }) => {
    note({ task_id: body.task_id });
    const file = safeFile("filename", body.filename, body.content_type);
    const target = await askUploadTarget(rpc, body);
    if (!target.is_open) {
      throw new ApiError(
        "ILLEGAL_TRANSITION",
        `Task ${target.task_id} is ${target.status} and takes no files`,
        { hint: "Only a task that was claimed and has not ended does" },
      );
    }

    const path = paths.file(target, file.name);
    const thumbnailFile = paths.thumbnail(target, `thumb_${file.stem}.jpg`);
    const [upload, thumbnail] = await Promise.all([
      files.signUpload(path),
      body.generate_thumbnail_url ? files.signUpload(thumbnailFile) : undefined,
    ]);
    const reply: UploadUrlReply = {
      upload_url: upload.url,
      storage_path: path,
      public_url: files.publicUrl(path),
      token: upload.token,
      expires_at: upload.expiresAt?.toISOString() ?? null,
      ...(thumbnail && {
        thumbnail_upload_url: thumbnail.url,
        thumbnail_storage_path: thumbnailFile,
        thumbnail_token: thumbnail.token,
      }),
    };
    return Response.json(reply);
  },
});
