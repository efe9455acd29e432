import type { UploadTarget } from "../../../../shared/upload-url.ts";
import { hex, hmac } from "../callers/constant-time.ts";
import { ApiError } from "../frame/api-error.ts";

/** The bucket of results; anybody who knows a path may read it. */
export const BUCKET = "image_uploads";

/** Names as the server gives them; others may have been encoded on the way. */
export const OUR_SPELLING = /^[A-Za-z0-9._/-]+$/;

const MAX_LENGTH = 1024;
/** As many hex digits as a UUID has. */
const SECRET_LENGTH = 32;
/** How often to decode; more layers only serve to hide something. */
const MAX_DECODES = 3;
/** Stands in for the owner of tasks from before owners were recorded. */
const NOBODY = "00000000-0000-0000-0000-000000000000";

/** Where the files of one task are; only the server makes these paths. */
export function taskFolder(target: UploadTarget): string {
  return `${ownerFolder(target)}/tasks/${target.task_id}`;
}

/** Makes the paths of the files of a task's results. */
export interface FilePaths {
  file(target: UploadTarget, name: string): string;
  thumbnail(target: UploadTarget, name: string): string;
}

/**
 * Paths that nobody can guess: the bucket is public, and the files of a
 * cancelled task stay until they are swept. Their secret part derives from a key
 * of the project instead of chance, so that a repeated request names the same
 * file; and from the attempt, so that a late upload of a lost worker does not
 * overwrite its successor's.
 */
export function createFilePaths(secret: string): FilePaths {
  const named = (folder: string, target: UploadTarget, name: string) => {
    const { task_id, attempt } = target;
    const digest = hmac(secret, `${folder}/${task_id}/${attempt}/${name}`);
    return `${hex(digest).slice(0, SECRET_LENGTH)}-${name}`;
  };
  return {
    file: (target, name) =>
      `${taskFolder(target)}/${named("files", target, name)}`,
    thumbnail: (target, name) =>
      `${taskFolder(target)}/thumbnails/${named("thumbnails", target, name)}`,
  };
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

/** Checks the path as sent, and as any program behind us might decode it. */
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
