import { CompleteReply } from "../../../../shared/complete.ts";
import type { UploadTarget } from "../../../../shared/upload-url.ts";
import type { Files } from "../files/files.ts";
import { ApiError } from "../frame/api-error.ts";
import type { Call, EndpointDeps } from "../frame/endpoint.ts";
import type { Output, Result, SentFile } from "./complete-output.ts";

type Note = Call<unknown>["note"];

/** Two attempts still fit into the time that a client waits. */
const THUMBNAIL_TIMEOUT_MS = 8_000;

/** The part of the reply that says which files are in use. */
const StoredResult = CompleteReply.pick({
  output_location: true,
  // The file, where the output describes it.
  public_url: true,
  thumbnail_url: true,
});

/**
 * Stores the files of the body, then completes the task with them. Files of a
 * completion that did not count are removed; when its outcome is unknown they
 * stay, and a repeat overwrites them, because its paths are the same.
 */
export async function completeWithSent(
  { files, paths: pathOf }: Pick<EndpointDeps, "files" | "paths">,
  target: UploadTarget,
  { file, thumbnail, text }: Extract<Result, { kind: "sent" }>,
  complete: (output: Output) => Promise<string>,
  note: Note,
): Promise<string> {
  const path = pathOf.file(target, file.name);
  await files.upload(path, file.bytes, file.contentType);
  const thumb = thumbnail && pathOf.thumbnail(target, thumbnail.name);
  const hasThumb = thumbnail !== undefined && thumb !== undefined &&
    await uploadThumbnail(files, thumb, thumbnail, note);

  const paths = [path, thumb].filter((sent) => sent !== undefined);
  let reply: string;
  try {
    reply = await complete({
      location: files.publicUrl(path),
      thumbnailUrl: hasThumb ? files.publicUrl(thumb) : text.thumbnailUrl,
      description: text.location,
    });
  } catch (error) {
    if (isRefusal(error)) await removeQuietly(files, paths, note);
    throw error;
  }
  const stored = StoredResult.safeParse(JSON.parse(reply));
  // The task is complete; do not guess from an unreadable answer.
  if (!stored.success) return reply;
  const inUse = Object.values(stored.data);
  const unused = paths.filter((sent) => !inUse.includes(files.publicUrl(sent)));
  await removeQuietly(files, unused, note);
  return reply;
}

/**
 * Whether the thumbnail is stored. A result is useful without one, but the
 * client would not send it again, so it is tried twice.
 */
async function uploadThumbnail(
  files: Files,
  path: string,
  { bytes, contentType }: SentFile,
  note: Note,
): Promise<boolean> {
  const upload = () =>
    files.upload(path, bytes, contentType, THUMBNAIL_TIMEOUT_MS);
  try {
    await upload().catch(upload);
    return true;
  } catch {
    // After an upload without an answer the file may be there all the same; it
    // is removed with the others that the result does not name.
    note({ thumbnail: "not stored" });
    return false;
  }
}

/** Whether it is certain that the completion has not used the files. */
function isRefusal(error: unknown): boolean {
  return error instanceof ApiError && error.status < 500;
}

/** The caller's answer does not depend on this cleanup. */
async function removeQuietly(
  files: Files,
  paths: readonly string[],
  note: Note,
): Promise<void> {
  if (paths.length === 0) return;
  try {
    await files.remove(paths);
  } catch {
    note({ storage: "not tidied" });
  }
}
