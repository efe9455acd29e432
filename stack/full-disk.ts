import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";

/** With less than this nothing can be written that is worth writing. */
const NEXT_TO_NOTHING = 8 * 1024 * 1024;

const COMPLAINTS = /ENOSPC|No space left on device|EDQUOT|quota exceeded/i;

/**
 * The failure in words that name its cause and the next step, when it was a
 * full disk; else the failure itself.
 *
 * Programs say it in many ways, and with a full disk some cannot say anything.
 */
export function explainFullDisk(
  error: unknown,
  dirs: readonly string[],
): unknown {
  const words = error instanceof Error ? error.message : String(error);
  const fullest = dirs.map(freeSpace).sort((a, b) => a.bytes - b.bytes)[0];
  if (fullest === undefined) return error;
  if (!COMPLAINTS.test(words) && fullest.bytes > NEXT_TO_NOTHING) return error;
  const megabytes = (fullest.bytes / 1024 / 1024).toFixed(0);
  return new Error(
    `The disk is full: ${megabytes} MB are left for ${fullest.dir}. ` +
      "Make room (a new database takes about 100 MB) and start again; " +
      "what is in the database stays as it is",
    { cause: error },
  );
}

/** Of the disk that a directory is on, or would be on. */
function freeSpace(dir: string): { dir: string; bytes: number } {
  if (!existsSync(dir) && dirname(dir) !== dir) {
    return { ...freeSpace(dirname(dir)), dir };
  }
  const { bavail, bsize } = statfsSync(dir);
  return { dir, bytes: bavail * bsize };
}
