import type { CompleteRequest } from "../../../../shared/complete.ts";
import { decodeBase64 } from "../files/base64.ts";
import { safeFile } from "../files/file-name.ts";
import type { Bytes } from "../files/files.ts";
import { assertPlainPath, pathInBucket } from "../files/storage-path.ts";
import { ApiError } from "../frame/api-error.ts";

/** Where the result of a task is, as the database stores it. */
export interface Output {
  readonly location: string | undefined;
  readonly thumbnailUrl: string | undefined;
  /** A text sent beside the file; as JSON it says more than the URL. */
  readonly description?: string | undefined;
}

/** A file that came in the body. */
export interface SentFile {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Bytes;
}

/** What a body says about its result: text, paths in the bucket, or files. */
export type Result =
  | { readonly kind: "text"; readonly output: Output }
  | {
    readonly kind: "stored";
    readonly path: string | undefined;
    readonly thumbnailPath: string | undefined;
    /** The default for a path that was not sent. */
    readonly text: Output;
  }
  | {
    readonly kind: "sent";
    readonly file: SentFile;
    readonly thumbnail: SentFile | undefined;
    readonly text: Output;
  };

/**
 * Reads the result out of whichever of the body's forms was sent. A file wins
 * over a path, and a path over text.
 */
export function readResult(body: CompleteRequest): Result {
  const text = {
    location: body.output_location,
    thumbnailUrl: body.thumbnail_url,
  };
  if (body.file_data !== undefined) {
    const file = sentFile(body.file_data, body.filename);
    return { kind: "sent", file, thumbnail: sentThumbnail(body), text };
  }
  const path = body.storage_path && pathInBucket(body.storage_path);
  const thumbnailPath = storedThumbnail(body);
  if (path === undefined && thumbnailPath === undefined) {
    return { kind: "text", output: text };
  }
  if (path !== undefined) assertPlainPath(path);
  return { kind: "stored", path, thumbnailPath, text };
}

function sentFile(data: string, filename: string | undefined): SentFile {
  if (filename === undefined) {
    throw new ApiError(
      "INVALID_BODY",
      'Body field "filename" must name the file in "file_data"',
    );
  }
  const { name, contentType } = safeFile("filename", filename);
  const bytes = decodeBase64(data);
  if (bytes === null) {
    throw new ApiError(
      "INVALID_BODY",
      'Body field "file_data" must be the base64 of at least one byte',
    );
  }
  return { name, contentType, bytes };
}

function storedThumbnail(body: CompleteRequest): string | undefined {
  const given = body.thumbnail_storage_path;
  if (given === undefined) return undefined;
  return unlessRefused(() => {
    const path = pathInBucket(given);
    assertPlainPath(path);
    return path;
  });
}

function sentThumbnail(body: CompleteRequest): SentFile | undefined {
  const data = body.first_frame_data;
  if (data === undefined) return undefined;
  const name = body.first_frame_filename ?? "thumb.jpg";
  return unlessRefused(() => sentFile(data, name));
}

/** A result is useful without its thumbnail, so a bad one is left out. */
function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}
