import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { StorageRefusal } from "./storage-error.ts";

/** The bytes of an upload and what they are said to be. */
export interface Upload {
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly cacheControl: string;
}

/** Beyond this no bucket of a local project goes. */
const MAX_BYTES = 512 * 1024 * 1024;

/** Reads a body to its end, but no further than `maxBytes`. */
export async function readBytes(
  request: IncomingMessage,
  maxBytes = MAX_BYTES,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) {
      throw new StorageRefusal(
        413,
        "EntityTooLarge",
        "The object exceeded the maximum allowed size",
      );
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** Reads an upload in either form: the bytes alone, or a form with one file. */
export async function readUpload(
  request: IncomingMessage,
  maxBytes: number | null,
): Promise<Upload> {
  const { headers } = request;
  const contentType = headers["content-type"] ?? "application/octet-stream";
  const bytes = await readBytes(request, maxBytes ?? MAX_BYTES);
  const cacheControl = headers["cache-control"] ?? "no-cache";
  if (!contentType.startsWith("multipart/form-data")) {
    return { bytes, contentType, cacheControl };
  }
  const form = await new Response(new Uint8Array(bytes), {
    headers: { "content-type": contentType },
  }).formData();
  for (const value of form.values()) {
    if (typeof value === "string") continue;
    return {
      bytes: Buffer.from(await value.arrayBuffer()),
      contentType: value.type || "application/octet-stream",
      cacheControl: `max-age=${form.get("cacheControl") ?? 3600}`,
    };
  }
  throw new StorageRefusal(400, "InvalidRequest", "No file provided");
}
