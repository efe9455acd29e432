import type { StorageError } from "@supabase/storage-js";
import { ApiError, withoutValues } from "../frame/api-error.ts";

/** Full, slow, locked or restarting: the same request may work in a moment. */
const TRANSIENT: readonly number[] = [408, 423, 429];

/** What a failed call of the file storage means for our caller. */
export function storageError(error: StorageError): ApiError {
  const status = storageStatus(error);
  const logged = {
    storage_status: status,
    cause: withoutValues(error.message),
  };
  // No status: it did not answer at all.
  if (status === 0 || status >= 500 || TRANSIENT.includes(status)) {
    return new ApiError(
      "UNAVAILABLE",
      "The file storage cannot answer right now",
      { hint: "Repeat the same request; it is safe to", logged },
    );
  }
  if (status === 413) {
    return new ApiError(
      "BODY_TOO_LARGE",
      "The file is larger than its bucket accepts",
      { logged },
    );
  }
  // Any other refusal is about our key, our bucket or our path.
  return new ApiError("INTERNAL", "The file could not be stored", { logged });
}

/** True only when Storage says explicitly that there is no such file. */
export function saysNoSuchFile(error: StorageError): boolean {
  const code = "code" in error ? error.code : undefined;
  return code === "NoSuchKey" ||
    (code === undefined && storageStatus(error) === 404);
}

/** Most refusals come as HTTP 400 and have their real status in the body. */
function storageStatus(error: StorageError): number {
  const inBody = Number(error.statusCode);
  return Number.isInteger(inBody) && inBody > 0 ? inBody : error.status ?? 0;
}
