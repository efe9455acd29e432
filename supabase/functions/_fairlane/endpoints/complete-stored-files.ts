import type { UploadTarget } from "../../../../shared/upload-url.ts";
import type { Caller } from "../callers/caller.ts";
import type { Files } from "../files/files.ts";
import { fileIsEmpty, sizeInTask } from "../files/named-file.ts";
import { BUCKET, isBelow, ownerFolder } from "../files/storage-path.ts";
import { ApiError } from "../frame/api-error.ts";
import type { Call } from "../frame/endpoint.ts";
import type { Output, Result } from "./complete-output.ts";

/**
 * The URLs of files that are already in the bucket. Those in the task's own
 * folder must exist and not be empty; others are results of other tasks,
 * which their owners may remove at any time.
 */
export async function locateStored(
  files: Files,
  caller: Caller,
  target: UploadTarget,
  { path, thumbnailPath, text }: Extract<Result, { kind: "stored" }>,
  note: Call<unknown>["note"],
): Promise<Output> {
  assertOwnFolder(caller, target, [path, thumbnailPath]);

  const sizeOf = (of: string | undefined) =>
    of === undefined ? Infinity : sizeInTask(files, target, of, note);
  const [size, thumbnailSize] = await Promise.all([
    sizeOf(path),
    sizeOf(thumbnailPath),
  ]);
  if (size === 0) throw fileIsEmpty(path);
  if (size === null) {
    throw new ApiError(
      "FILE_NOT_FOUND",
      `There is no file ${path} in ${BUCKET}`,
      { hint: "Upload it to the URL of generate-upload-url, then repeat" },
    );
  }
  // Workers go on when the upload of a thumbnail failed.
  const noThumbnail = thumbnailSize === null || thumbnailSize === 0;
  if (noThumbnail) note({ thumbnail: "missing" });
  const thumbnail = noThumbnail ? undefined : thumbnailPath;
  return {
    location: path === undefined ? text.location : files.publicUrl(path),
    thumbnailUrl: thumbnail === undefined
      ? text.thumbnailUrl
      : files.publicUrl(thumbnail),
    description: path === undefined ? undefined : text.location,
  };
}

/** A service key may name any folder; others only the owner's. */
function assertOwnFolder(
  caller: Caller,
  target: UploadTarget,
  paths: readonly (string | undefined)[],
): void {
  if (caller.kind === "service") return;
  const folder = ownerFolder(target);
  const isForeign = paths.some((path) =>
    path !== undefined && !isBelow(path, folder)
  );
  if (isForeign) {
    throw new ApiError(
      "FORBIDDEN",
      `The storage path must begin with "${folder}/"`,
    );
  }
}
