import { type Backend, type BackendOptions, startBackend } from "./backend.ts";
import type { DenoVersion } from "./deno-runtime.ts";
import { functionEnvironment } from "./function-env.ts";
import {
  type Functions,
  functionSourceDirs,
  hostFunctions,
} from "./functions.ts";
import { explainFullDisk } from "./full-disk.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import type { LogLine } from "./log.ts";
import { checkoutDir, supabaseDir } from "./paths.ts";
import { takePorts } from "./port-pair.ts";
import { type WantedPort, wantedPort } from "./ports.ts";
import { describeChoice, postgresServer } from "./postgres-server.ts";
import { removeDatabase, stopLeftover } from "./postgres.ts";
import type { Durable } from "./postgres-settings.ts";
import { type StackAddresses, stackAddresses } from "./stack-addresses.ts";
import { StartReport } from "./start-report.ts";
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
  /** Absent = any free port. */
  apiPort?: WantedPort;
  /** Absent = any free port. */
  dbPort?: WantedPort;
  /** Absent = what this machine uses by itself. */
  postgres?: 15 | 17;
  /** Which Deno runs the functions; absent = the newer one. */
  deno?: DenoVersion;
  /** The platform's auto_expose_new_tables; absent = as config.toml says. */
  exposeNewTables?: boolean;
  /** What the Data API serves; absent = as config.toml says. */
  schemas?: string[];
  /** Begin with an empty database, whatever an earlier run has left. */
  fresh?: boolean;
  /** Restart functions when their files change. */
  watch?: boolean;
  /** What of a commit survives what; absent = not everything. */
  durable?: Durable;
  /** Load supabase/seed.sql into a new database. */
  seed?: boolean;
  /** A file that makes the database instead of supabase/migrations. */
  migration?: string;
  /** Variables that functions get besides the platform's own. */
  functionEnv?: Record<string, string>;
  /** Is told when the state directory, and so the log in it, is this stack's. */
  onClaim?(): void;
  /** Is told what took how long. */
  report?: StartReport;
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
  let release = () => {};
  try {
    const server = options.postgres && postgresServer(options.postgres);
    const dirs = prepareStateDirs(options.stateDir, server);
    const claim = claimStateDir(options.stateDir);
    release = () => {
      removeSocketDir(dirs);
      claim.release();
    };
    options.onClaim?.();
    await (options.fresh ? removeDatabase(dirs) : stopLeftover(dirs));
    options.onLog?.(server?.description ?? describeChoice());
    return await startParts(options, dirs, claim);
  } catch (error) {
    release();
    throw explainFullDisk(error, [options.stateDir]);
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
  // Which ports are used instead of those that are taken.
  const notes: string[] = [];
  const say = (line: string) => {
    notes.push(line);
    log(line);
  };
  const report = options.report ?? new StartReport(0);
  let backend: Backend | undefined;
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

  try {
    // First, so that both ports are ours for as long as the rest takes.
    const behind = {
      rest: () => backend?.postgrest,
      functions: () => functions,
      storage,
      log,
    };
    const ports = await takePorts(
      options,
      (port) => startGateway({ ...behind, port }),
      say,
    );
    gateway = ports.holder;
    const backendOptions = describeBackend(options, dirs, {
      dbPort: ports.dbPort,
      log,
      say,
      report,
    });
    backend = await startBackend(backendOptions);
    const dbPort = backend.postgres.port;
    const addresses = stackAddresses(gateway.port, dbPort);
    functions = hostFunctions({
      supabaseDir,
      deno: options.deno,
      env: functionEnvironment(addresses, options.functionEnv),
      watchDirs: options.watch ? functionSourceDirs(checkoutDir) : [],
      log,
    });
    const makeAnew = announced(async () => {
      await storage.stop();
      await backend?.stop();
      backend = undefined;
      await removeDatabase(dirs);
      // The functions know the port.
      const samePort = wantedPort("DB_PORT", dbPort, true);
      backend = await startBackend({ ...backendOptions, dbPort: samePort });
    }, claim);
    const reset = () => lastReset = lastReset.catch(() => {}).then(makeAnew);
    claim.update({ phase: "ready", apiPort: gateway.port, dbPort, notes });
    return { ...addresses, reset, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function describeBackend(
  options: StackOptions,
  dirs: StateDirs,
  rest: Pick<BackendOptions, "dbPort" | "log" | "say" | "report">,
): BackendOptions {
  const { api } = readSupabaseConfig(supabaseDir);
  const exposeNewTables = options.exposeNewTables ?? api.exposeNewTables;
  const schemas = options.schemas ?? api.schemas;
  return {
    dirs,
    durable: options.durable ?? false,
    seed: options.seed ?? false,
    migration: options.migration,
    api: { ...api, exposeNewTables, schemas },
    ...rest,
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
