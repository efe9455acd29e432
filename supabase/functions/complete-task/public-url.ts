import { ApiError } from "../_shared/api-error.ts";

const BUCKET = "image_uploads";
const MAX_LENGTH = 1024;
/** Decoding more often than this only serves to hide something. */
const MAX_DECODES = 3;

/** The public URL of a file in the bucket, whose path may not leave it. */
export function publicUrl(supabaseUrl: string, path: string): string {
  if (path.length > MAX_LENGTH || !isPlainPath(path)) {
    throw new ApiError(
      "INVALID_BODY",
      `The storage path must name a file in ${BUCKET}, without "..", "\\" or empty parts`,
    );
  }
  return `${supabaseUrl}/storage/v1/object/public/${BUCKET}/${path}`;
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
