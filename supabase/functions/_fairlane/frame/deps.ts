import { createIdentify } from "../callers/caller.ts";
import { createVerifyUserToken } from "../callers/user-jwt.ts";
import type { Rpc } from "../database/rpc.ts";
import { createFiles } from "../files/files.ts";
import { createFilePaths } from "../files/storage-path.ts";
import type { EndpointDeps } from "./endpoint.ts";
import { createSharedAnswers } from "./shared-answers.ts";
import { type Env, type ReadEnv, readEnv } from "./env.ts";

/** Clients give up on task-counts after 10 s; they should hear from us first. */
const RPC_TIMEOUT_MS = 9_000;

/** The platform's own, and absent elsewhere: an instance lives until the work is done. */
declare const EdgeRuntime:
  | { waitUntil(work: Promise<unknown>): void }
  | undefined;

/** How the database is reached. */
export type ReachDatabase = (env: Env, timeoutMs: number) => Rpc;

/**
 * The real outside world, built once per process. The `Rpc` is passed
 * in, so that a function loads only what it uses.
 */
export function createDeps(
  read: ReadEnv,
  reachDatabase: ReachDatabase,
): EndpointDeps {
  const env = readEnv(read);
  const verifyUserToken = createVerifyUserToken({
    jwks: env.jwks,
    jwtSecret: env.jwtSecret,
    now: () => new Date(),
  });
  return {
    identify: createIdentify({ ...env, verifyUserToken }),
    rpc: reachDatabase(env, RPC_TIMEOUT_MS),
    files: createFiles({ ...env, fetch }),
    // The longest-lived secret; a new one only means new names.
    paths: createFilePaths(env.databaseKey),
    log: (level, line) => console[level](line),
    now: () => performance.now(),
    shared: createSharedAnswers(env.sharedMs, () => performance.now()),
    createRequestId: () => crypto.randomUUID(),
    after: (work) => {
      if (typeof EdgeRuntime !== "undefined") EdgeRuntime.waitUntil(work);
    },
  };
}
