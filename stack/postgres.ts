import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { setpriv } from "./account.ts";
import { ended, startChild, stopChild } from "./child.ts";
import { explainFullDisk } from "./full-disk.ts";
import type { LogLine } from "./log.ts";
import { endLeftover } from "./leftover-postgres.ts";
import { checkoutDir } from "./paths.ts";
import type { PostgresServer } from "./postgres-server.ts";
import { type Durable, postgresSettings } from "./postgres-settings.ts";
import { runOrThrow } from "./run.ts";
import { startFailure } from "./start-failure.ts";
import { makeReachableDir, type StateDirs, storageDir } from "./state-dir.ts";

/** Somebody else got the port first. */
export class PortTaken extends Error {
  constructor(port: number) {
    super(`Port ${port} was taken while Postgres started`);
  }
}

/** A running Postgres. */
export interface Postgres {
  server: PostgresServer;
  port: number;
  socketDir: string;
  stop(): Promise<void>;
}

/** What the caller decides about the server. */
export interface PostgresOptions {
  dirs: StateDirs;
  port: number;
  durable: Durable;
  /** Further variables of the server, for tests that change its clock. */
  environment?: Record<string, string>;
  log: LogLine;
}

const environment = { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8", HOME: "/tmp" };

/** A crashed predecessor's memory or socket can be in the way this long. */
const startPatienceMs = 20_000;

/** It may have much to replay, on a machine that has much else to do. */
const readyPatienceMs = 120_000;

const tryAgainAfterMs = 1_000;

/** Makes the data directory if there is none, then starts the server. */
export async function startPostgres(
  options: PostgresOptions,
): Promise<Postgres> {
  const { dirs, port } = options;
  const dataDir = join(dirs.postgres, "data");
  if (!existsSync(dataDir)) await initialise(dirs, dataDir);
  const settings = postgresSettings({
    ...options,
    server: dirs.server,
    socketDir: dirs.sockets,
  });
  writeFileSync(join(dataDir, "stack.conf"), settings, { mode: 0o644 });

  let server = await startPatiently(options, dataDir);
  let isStopping = false;
  const restartWhenLost = () => {
    server.once("exit", async (code, signal) => {
      if (isStopping) return;
      options.log(`ended unexpectedly (${signal ?? code}), starting it again`);
      const again = await startAgain(options, dataDir, () => isStopping);
      if (!again) return;
      server = again;
      if (isStopping) await stopServer(server);
      else restartWhenLost();
    });
  };
  restartWhenLost();
  return {
    server: dirs.server,
    port,
    socketDir: dirs.sockets,
    stop() {
      isStopping = true;
      return stopServer(server);
    },
  };
}

/** SIGINT means "fast": it ends sessions and writes a checkpoint. */
function stopServer(server: ChildProcess): Promise<void> {
  return stopChild(server, "SIGINT", "SIGQUIT", 10_000);
}

/** Removes the database of a stack that is not running. */
export async function removeDatabase(dirs: StateDirs): Promise<void> {
  await stopLeftover(dirs);
  rmSync(join(dirs.postgres, "data"), { recursive: true, force: true });
  // Files whose rows are gone are nobody's.
  rmSync(storageDir(dirs), { recursive: true, force: true });
}

function program(dirs: StateDirs, name: "initdb" | "postgres"): string {
  const base = join(checkoutDir, ".stack");
  const reachable = makeReachableDir(base, dirs.postgresUser);
  return join(dirs.server.programs(reachable), name);
}

async function initialise(dirs: StateDirs, dataDir: string): Promise<void> {
  // Only what is whole gets the name of a database.
  const unfinished = `${dataDir}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  const initdb = [
    program(dirs, "initdb"),
    `--pgdata=${unfinished}`,
    "--username=supabase_admin",
    "--encoding=UTF8",
    ...dirs.server.locale,
    "--auth-local=trust",
    "--auth-host=scram-sha-256",
    "--no-sync",
  ];
  const [first = "", ...rest] = process.platform === "linux"
    ? setpriv(initdb, dirs.postgresUser, "KILL")
    : initdb;
  await runOrThrow("initdb", first, rest, {
    cwd: "/",
    env: environment,
  });
  writeFileSync(
    join(unfinished, "postgresql.conf"),
    "include 'stack.conf'\n",
    { flag: "a" },
  );
  renameSync(unfinished, dataDir);
}

async function startPatiently(
  options: PostgresOptions,
  dataDir: string,
): Promise<ChildProcess> {
  const deadline = Date.now() + startPatienceMs;
  for (;;) {
    const { child, ready, log } = await tryStart(options, dataDir);
    if (ready) return child;
    if (/could not bind/i.test(log)) throw new PortTaken(options.port);
    if (!canPass(log) || Date.now() > deadline) {
      throw startFailure(log, dataDir, options.dirs.server.major);
    }
    await delay(250);
  }
}

/** Tries until it succeeds: room can be made on a full disk. */
async function startAgain(
  options: PostgresOptions,
  dataDir: string,
  isStopping: () => boolean,
): Promise<ChildProcess | undefined> {
  let lastWords = "";
  while (!isStopping()) {
    try {
      return await startPatiently(options, dataDir);
    } catch (error) {
      const words = String(explainFullDisk(error, [dataDir]));
      if (words !== lastWords) options.log(`${words}. Trying again and again`);
      lastWords = words;
      await delay(tryAgainAfterMs);
    }
  }
  return undefined;
}

interface Attempt {
  child: ChildProcess;
  ready: boolean;
  log: string;
}

async function tryStart(
  { dirs, environment: extra = {} }: PostgresOptions,
  dataDir: string,
): Promise<Attempt> {
  const logFile = join(dirs.state, "postgres.log");
  const log = openSync(logFile, "w");
  // By `env`, so that they reach the server alone, as the user that it is.
  const extras = Object.entries(extra).map(([name, value]) =>
    `${name}=${value}`
  );
  const command = [...extras, program(dirs, "postgres"), "-D", dataDir];
  const child = startChild("/usr/bin/env", command, {
    cwd: "/",
    env: environment,
    // A file and not a pipe: the server must not die of writing to nobody.
    stdio: ["ignore", log, log],
    user: dirs.postgresUser,
    deathSignal: "INT",
  });
  closeSync(log);
  let over = false;
  void ended(child).then(() => over = true);
  const deadline = Date.now() + readyPatienceMs;
  while (!over && Date.now() < deadline) {
    if (isReady(dataDir, child.pid)) return { child, ready: true, log: "" };
    await delay(20);
  }
  if (!over) await stopChild(child, "SIGINT", "SIGKILL", 5_000);
  return { child, ready: false, log: readFileSync(logFile, "utf8") };
}

/** Postgres writes its own state into line 8 of its pid file, as for pg_ctl. */
function isReady(dataDir: string, pid: number | undefined): boolean {
  const lines = pidFile(dataDir);
  return lines[0] === String(pid) && lines[7]?.trim() === "ready";
}

function pidFile(dataDir: string): string[] {
  try {
    return readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n");
  } catch {
    return [];
  }
}

/** Whether waiting can cure what the server complained about. */
function canPass(log: string): boolean {
  return /shared memory block|is another postmaster|lock file/i.test(log);
}

/** Ends a server of this stack whose supervisor is gone. */
export async function stopLeftover(dirs: StateDirs): Promise<void> {
  const dataDir = join(dirs.postgres, "data");
  const pid = Number(pidFile(dataDir)[0]);
  await endLeftover({ dataDir, pid, socketDir: dirs.sockets });
}
