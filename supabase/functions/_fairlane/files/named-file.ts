import type { UploadTarget } from "../../../../shared/upload-url.ts";
import { ApiError } from "../frame/api-error.ts";
import type { Call } from "../frame/endpoint.ts";
import type { Files } from "./files.ts";
import { BUCKET, isBelow, OUR_SPELLING, taskFolder } from "./storage-path.ts";
import { askUploadTarget, type TaskReference } from "./upload-target.ts";

/** From any host, because a project may have several addresses. */
const OUR_URL = new RegExp(
  `^https?://[^/?#]+/storage/v1/object/public/${BUCKET}/([^?#]+)`,
  "i",
);

/**
 * Refuses the public URL of a file in the task's own folder as its result when
 * that file is empty, as it does for its path. Any other text is up to the
 * client.
 */
export async function refuseEmptyFile(
  files: Files,
  rpc: Call<unknown>["rpc"],
  report: TaskReference,
  location: string | undefined,
  note: Call<unknown>["note"],
): Promise<void> {
  const path = location === undefined ? null : pathOfUrl(location);
  if (path === null || !path.includes(`/tasks/${report.task_id}/`)) return;
  const target = await askUploadTarget(rpc, report);
  const size = await sizeInTask(files, target, path, note);
  if (size === 0) throw fileIsEmpty(path);
}

/**
 * The size in bytes of a file in the folder of a task that accepts files; null
 * when it does not exist. Infinite for any other file, and for one that cannot
 * be checked now: that is no reason to fail the task.
 */
export async function sizeInTask(
  files: Files,
  target: UploadTarget,
  path: string,
  note: Call<unknown>["note"],
): Promise<number | null> {
  const isOurs = target.is_open && isBelow(path, taskFolder(target)) &&
    OUR_SPELLING.test(path);
  if (!isOurs) return Infinity;
  try {
    return await files.size(path);
  } catch {
    note({ storage: "unchecked" });
    return Infinity;
  }
}

/** The refusal of an empty file as a result. */
export function fileIsEmpty(path: string | undefined): ApiError {
  return new ApiError(
    "FILE_EMPTY",
    `The file ${path} in ${BUCKET} has no bytes`,
    { hint: "Report the task as failed, or upload the file and repeat" },
  );
}

function pathOfUrl(url: string): string | null {
  const sent = OUR_URL.exec(url.slice(0, 4096).trim())?.[1];
  if (sent === undefined) return null;
  try {
    const path = decodeURIComponent(sent);
    return OUR_SPELLING.test(path) ? path : null;
  } catch {
    return null;
  }
}
