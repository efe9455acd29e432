import type { StorageError } from "@supabase/storage-js";
import { keyHeaders } from "../callers/credentials.ts";
import { saysNoSuchFile, storageError } from "./storage-error.ts";
import { BUCKET } from "./storage-path.ts";

/** A URL that takes one file, any number of times, until it expires. */
export interface SignedUpload {
  readonly url: string;
  readonly token: string;
  readonly expiresAt: Date | null;
}

/**
 * Bytes in memory of their own, as the body of a request wants them. Today's
 * TypeScript says `Uint8Array<ArrayBuffer>`, which that of Deno 2.1 cannot read.
 */
export type Bytes = ReturnType<typeof Uint8Array.from>;

/** The bucket of results. Every method throws an `ApiError` when it fails. */
export interface Files {
  /** Stores a file; one that is there is replaced. */
  upload(
    path: string,
    bytes: Bytes,
    contentType: string,
    timeoutMs?: number,
  ): Promise<void>;
  signUpload(path: string): Promise<SignedUpload>;
  /** Its bytes; null when there is no such file. */
  size(path: string): Promise<number | null>;
  remove(paths: readonly string[]): Promise<void>;
  publicUrl(path: string): string;
}

/** What `Files` need from outside. */
export interface FilesConfig {
  readonly supabaseUrl: string;
  readonly publicUrl: string;
  readonly databaseKey: string;
  readonly fetch: typeof fetch;
}

// Clients wait 30 s for a URL or a completion by path and 60 s for one with the
// file in it; with the calls of the database (9 s each) these stay below.
const CALL_TIMEOUT_MS = 8_000;
const UPLOAD_TIMEOUT_MS = 25_000;

/** Characters of a file name that mean something else in a URL. */
const ENDS_A_PATH = /[?#]|%(?![0-9A-Fa-f]{2})/g;

/** `Files` in Supabase Storage. */
export function createFiles(config: FilesConfig): Files {
  // The client is loaded with the first file: most functions, and most calls of
  // the others, touch none.
  const bucket = async (timeoutMs: number) => {
    const { StorageClient } = await import("@supabase/storage-js");
    const timedFetch: typeof fetch = (input, init) =>
      config.fetch(input, {
        ...init,
        signal: AbortSignal.timeout(timeoutMs),
      });
    const url = `${config.supabaseUrl}/storage/v1`;
    return new StorageClient(url, keyHeaders(config.databaseKey), timedFetch)
      .from(BUCKET);
  };
  const quick = () => bucket(CALL_TIMEOUT_MS);
  const publicBase = `${config.publicUrl}/storage/v1/object`;

  return {
    async upload(path, bytes, contentType, timeoutMs = UPLOAD_TIMEOUT_MS) {
      const options = { contentType, upsert: true };
      const storage = await bucket(timeoutMs);
      dataOf(await storage.upload(path, bytes, options));
    },
    async signUpload(path) {
      // Only a token made with `upsert` takes a second PUT; a header of the PUT
      // itself cannot allow it. Deployed workers repeat theirs.
      const storage = await quick();
      const { token } = dataOf(
        await storage.createSignedUploadUrl(path, { upsert: true }),
      );
      const query = new URLSearchParams({ token });
      return {
        url: `${publicBase}/upload/sign/${BUCKET}/${path}?${query}`,
        token,
        expiresAt: await expiryOf(token),
      };
    },
    async size(path) {
      const { data, error } = await (await quick()).info(path);
      // A storage that does not tell the size has the file all the same.
      if (error === null) return data.size ?? Infinity;
      if (saysNoSuchFile(error)) return null;
      throw storageError(error);
    },
    async remove(paths) {
      dataOf(await (await quick()).remove([...paths]));
    },
    // The path as it is, because deployed workers cut it out of the URL again;
    // but for what would end the path of a URL.
    publicUrl: (path) =>
      `${publicBase}/public/${BUCKET}/${
        path.replace(ENDS_A_PATH, encodeURIComponent)
      }`,
  };
}

function dataOf<T>(
  result: { data: T; error: null } | { data: null; error: StorageError },
): T {
  if (result.error !== null) throw storageError(result.error);
  return result.data;
}

/** Only for the client's information: Storage itself decides. */
async function expiryOf(token: string): Promise<Date | null> {
  const { decodeJwt } = await import("jose");
  try {
    const { exp } = decodeJwt(token);
    return exp === undefined ? null : new Date(exp * 1000);
  } catch {
    return null;
  }
}
