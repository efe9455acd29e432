import { Buffer } from "node:buffer";
import type { Bytes } from "./files.ts";

/**
 * The bytes that `text` encodes, or null when it is not plain base64. Line
 * breaks and the head of a data URL are tolerated; nothing else is skipped, as
 * a file that silently lost bytes would be stored as a result.
 */
export function decodeBase64(text: string): Bytes | null {
  const head = /^\s*data:[^,]{0,200};base64,/i.exec(text)?.[0] ?? "";
  const encoded = text.slice(head.length).replace(/\s+/g, "");
  const digits = encoded.endsWith("==")
    ? encoded.slice(0, -2)
    : encoded.endsWith("=")
    ? encoded.slice(0, -1)
    : encoded;
  if (encoded.length % 4 !== 0 || digits === "") return null;
  // Search for forbidden characters: matching megabytes of allowed ones would
  // overflow the stack.
  if (/[^A-Za-z0-9+/]/.test(digits)) return null;
  return new Uint8Array(Buffer.from(digits, "base64"));
}
