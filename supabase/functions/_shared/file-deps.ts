import { createDeps } from "./deps.ts";
import type { EndpointDeps } from "./endpoint.ts";
import { type ReadEnv, readEnv } from "./env.ts";
import { createFiles, type Files } from "./files.ts";

/** What an endpoint needs that also keeps files. */
export interface FileDeps extends EndpointDeps {
  readonly files: Files;
}

/**
 * The real outside world with the storage client, which only the functions
 * that store files load.
 */
export function createFileDeps(read: ReadEnv): FileDeps {
  const files = createFiles({ ...readEnv(read), fetch });
  return { ...createDeps(read), files };
}
