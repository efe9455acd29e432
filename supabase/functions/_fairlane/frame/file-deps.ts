import { createFiles, type Files } from "../files/files.ts";
import { createFilePaths, type FilePaths } from "../files/storage-path.ts";
import { createDeps } from "./deps.ts";
import type { EndpointDeps } from "./endpoint.ts";
import { type ReadEnv, readEnv } from "./env.ts";

/** What an endpoint needs that also keeps files. */
export interface FileDeps extends EndpointDeps {
  readonly files: Files;
  readonly paths: FilePaths;
}

/**
 * The real outside world with the storage client, which only the functions
 * that store files load.
 */
export function createFileDeps(read: ReadEnv): FileDeps {
  const env = readEnv(read);
  return {
    ...createDeps(read),
    files: createFiles({ ...env, fetch }),
    // The longest-lived secret there is; a new one only means new names.
    paths: createFilePaths(env.databaseKey),
  };
}
