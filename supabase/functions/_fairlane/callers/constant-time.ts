import { Buffer } from "node:buffer";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** SHA-256 of a text. */
export function sha256(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** A digest of a text that only the holder of the key can compute. */
export function hmac(key: string, text: string): Uint8Array {
  return createHmac("sha256", key).update(text).digest();
}

/** A digest as lower-case hex. */
export function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString("hex");
}

/** Whether a digest is that of one of the given keys. */
export type KeyMatcher = (digest: Uint8Array) => boolean;

/**
 * A matcher for `keys`, whose digests are computed once. Every key is compared,
 * even after a match, so that timing reveals neither the key nor its position.
 */
export function createKeyMatcher(keys: readonly string[]): KeyMatcher {
  const digests = keys.filter((key) => key.trim() !== "").map(sha256);
  return (digest) => {
    let matches = 0;
    for (const key of digests) matches += Number(timingSafeEqual(key, digest));
    return matches > 0;
  };
}
