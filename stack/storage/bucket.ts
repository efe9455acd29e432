import { StorageRefusal } from "./storage-error.ts";

/** A bucket, as far as it decides about objects. */
export interface Bucket {
  readonly id: string;
  readonly public: boolean;
  readonly file_size_limit: number | null;
  readonly allowed_mime_types: string[] | null;
}

/** Refuses what the bucket does not take. */
export function assertAllowed(bucket: Bucket, contentType: string): void {
  const type = contentType.split(";")[0]?.trim().toLowerCase() ?? "";
  const family = type.replace(/\/.*/, "/*");
  const allowed = bucket.allowed_mime_types;
  if (!allowed?.length || allowed.includes(type) || allowed.includes(family)) {
    return;
  }
  throw new StorageRefusal(
    415,
    "InvalidMimeType",
    `mime type ${type} is not supported`,
  );
}
