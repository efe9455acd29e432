import { type Backend, type BackendOptions, startBackend } from "./backend.ts";
import type { DenoVersion } from "./deno-runtime.ts";
import { functionEnvironment } from "./function-env.ts";
import {
  type Functions,
  functionSourceDirs,
  hostFunctions,
} from "./functions.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import type { LogLine } from "./log.ts";
import { checkoutDir, supabaseDir } from "./paths.ts";
import { requireFreePort } from "./ports.ts";
import { describeChoice, postgresServer } from "./postgres-server.ts";
import { removeDatabase, stopLeftover } from "./postgres.ts";
import { type StackAddresses, stackAddresses } from "./stack-addresses.ts";
import {
  prepareStateDirs,
  removeSocketDir,
  type StateDirs,
  storageDir,
} from "./state-dir.ts";
import { type Claim, claimStateDir } from "./state-file.ts";
import { standInForStorage, type StorageStandIn } from "./storage/storage.ts";
import { readSupabaseConfig } from "./supabase-config.ts";

/** How a stack is started. */
export interface StackOptions {
  /** Where it keeps its database, sockets and logs; made if missing. */
  stateDir: string;
  /** 0 or absent = any free port. */
  apiPort?: number;
  /** 0 or absent = any free port. */
  dbPort?: number;
  /** Absent = what this machine uses by itself. */
  postgres?: 15 | 17;
  /** Which Deno runs the functions; absent = the newer one. */
  deno?: DenoVersion;
  /** The platform's auto_expose_new_tables; absent = as config.toml says. */
  exposeNewTables?: boolean;
  /** Begin with an empty database, whatever an earlier run has left. */
  fresh?: boolean;
  /** Restart functions when their files change. */
  watch?: boolean;
  /** Every commit reaches the disk, as in production. */
  durable?: boolean;
  /** Load supabase/seed.sql into a new database. */
  seed?: boolean;
  /** Variables that functions get besides the platform's own. */
  functionEnv?: Record<string, string>;
  /** Receives the request log and what the parts print. */
  onLog?(line: string): void;
}

/** A running stack. */
export interface Stack extends StackAddresses {
  /** Wipes the database and makes it anew; the addresses stay. */
  reset(): Promise<void>;
  /** Ends every process of the stack; its data stays. */
  stop(): Promise<void>;
}

/**
 * Starts Postgres, PostgREST, the functions and the gateway before them.
 *
 * @example
 * const stack = await startStack({ stateDir: ".stack/test-claims" });
 * await fetch(`${stack.functionsUrl}/task-counts`, { method: "POST" });
 * await stack.stop();
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const server = options.postgres && postgresServer(options.postgres);
  const dirs = prepareStateDirs(options.stateDir, server);
  const claim = claimStateDir(options.stateDir);
  try {
    await (options.fresh ? removeDatabase(dirs) : stopLeftover(dirs));
    options.onLog?.(server?.description ?? describeChoice());
    return await startParts(options, dirs, claim);
  } catch (error) {
    removeSocketDir(dirs);
    claim.release();
    throw error;
  }
}

async function startParts(
  options: StackOptions,
  dirs: StateDirs,
  claim: Claim,
): Promise<Stack> {
  const log: LogLine = (line) => options.onLog?.(line);
  if (!dirs.postgres.startsWith(dirs.state)) {
    log(`The database is in ${dirs.postgres}: Postgres, which may not run as`);
    log(`root, cannot enter ${dirs.state}`);
  }
  if (options.apiPort) await requireFreePort(options.apiPort, "API_PORT");
  if (options.dbPort) await requireFreePort(options.dbPort, "DB_PORT");

  const backendOptions = describeBackend(options, dirs, log);
  let backend: Backend | undefined = await startBackend(backendOptions);
  const dbPort = backend.postgres.port;
  let functions: Functions | undefined;
  let gateway: Gateway | undefined;
  const storage: StorageStandIn = standInForStorage({
    dir: storageDir(dirs),
    database: () => backend?.postgres,
    log,
  });

  // Resets follow one another, and a stop follows them all: a database that is
  // half made when the rest has gone would be nobody's to end.
  let lastReset: Promise<void> = Promise.resolve();
  const stop = async () => {
    await lastReset.catch(() => {});
    await gateway?.stop();
    await functions?.stop();
    await storage.stop();
    await backend?.stop();
    backend = undefined;
    removeSocketDir(dirs);
    claim.release();
  };
  const makeAnew = announced(async () => {
    await storage.stop();
    await backend?.stop();
    backend = undefined;
    await removeDatabase(dirs);
    backend = await startBackend({ ...backendOptions, dbPort });
  }, claim);
  const reset = () => lastReset = lastReset.catch(() => {}).then(makeAnew);

  try {
    gateway = await startGateway({
      port: options.apiPort ?? 0,
      rest: () => backend?.postgrest,
      functions: () => functions,
      storage,
      log,
    });
    const addresses = stackAddresses(gateway.port, dbPort);
    functions = hostFunctions({
      supabaseDir,
      deno: options.deno,
      env: { ...functionEnvironment(addresses), ...options.functionEnv },
      watchDirs: options.watch ? functionSourceDirs(checkoutDir) : [],
      log,
    });
    claim.update({ phase: "ready", apiPort: gateway.port, dbPort });
    return { ...addresses, reset, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function describeBackend(
  options: StackOptions,
  dirs: StateDirs,
  log: LogLine,
): BackendOptions {
  const { api } = readSupabaseConfig(supabaseDir);
  const exposeNewTables = options.exposeNewTables ?? api.exposeNewTables;
  return {
    dirs,
    dbPort: options.dbPort || undefined,
    durable: options.durable ?? false,
    seed: options.seed ?? false,
    api: { ...api, exposeNewTables },
    log,
  };
}

/** Lets other processes follow a reset in the state file. */
function announced(
  reset: () => Promise<void>,
  claim: Claim,
): () => Promise<void> {
  let resets = 0;
  return async () => {
    claim.update({ phase: "resetting" });
    try {
      await reset();
      claim.update({ phase: "ready", resets: ++resets });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      claim.update({ phase: "broken", resets: ++resets, error: reason });
      throw error;
    }
  };
}
