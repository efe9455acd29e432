import type { UploadTarget } from "../../../shared/upload-url.ts";
import { ApiError } from "./api-error.ts";

/** The bucket of results: everybody may read it who knows the path. */
export const BUCKET = "image_uploads";

const MAX_LENGTH = 1024;
/** Decoding more often than this only serves to hide something. */
const MAX_DECODES = 3;
/** Stands in for the owner of tasks from before owners were recorded. */
const NOBODY = "00000000-0000-0000-0000-000000000000";

/** Where the files of one task are; nobody but the server makes these up. */
export function taskFolder(target: UploadTarget): string {
  return `${ownerFolder(target)}/tasks/${target.task_id}`;
}

/** The path of a file that somebody working on the task hands in. */
export function filePath(target: UploadTarget, name: string): string {
  return `${taskFolder(target)}/${ofStart(target)}${name}`;
}

/** The path of a thumbnail. */
export function thumbnailPath(target: UploadTarget, name: string): string {
  return `${taskFolder(target)}/thumbnails/${ofStart(target)}${name}`;
}

/**
 * Sets later starts apart: a worker that was given up and uploads late, under
 * a name it shares with its successor, must not overwrite the result.
 */
function ofStart({ attempt }: UploadTarget): string {
  return attempt > 1 ? `attempt${attempt}_` : "";
}

/** Where all files of a task's owner are. */
export function ownerFolder(target: UploadTarget): string {
  return target.user_id ?? NOBODY;
}

/** Whether `path` names a file somewhere below `folder`. */
export function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** A client's path; Storage itself calls it `Key`, with the bucket before it. */
export function pathInBucket(path: string): string {
  return path.startsWith(`${BUCKET}/`) ? path.slice(BUCKET.length + 1) : path;
}

/** Refuses a client's path that may not name a file inside the bucket. */
export function assertPlainPath(path: string): void {
  if (path.length > MAX_LENGTH || !isPlainPath(path)) {
    throw new ApiError(
      "INVALID_BODY",
      `The storage path must name a file in ${BUCKET}, without "..", "\\" or empty parts`,
    );
  }
}

/** Looks at the path as sent and as anyone behind us might decode it. */
function isPlainPath(path: string): boolean {
  let form = path;
  for (let decodes = 0; decodes <= MAX_DECODES; decodes++) {
    if (!form.split("/").every(isPlainSegment)) return false;
    const decoded = decode(form);
    if (decoded === form) return true;
    form = decoded;
  }
  return false;
}

function isPlainSegment(segment: string): boolean {
  // Compatibility forms of the full stop and the slashes become plain ones.
  const plain = segment.normalize("NFKC");
  return plain !== "" && plain !== "." && plain !== ".." &&
    !/[\\/\p{Cc}\p{Cs}]/u.test(plain);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A bare % is a legal character of a file name.
    return text;
  }
}
