import {
  existsSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { commandLine, processStart } from "./process-info.ts";

/** What a server that we did not start may have left. */
export interface Leftover {
  dataDir: string;
  /** First line of its postmaster.pid. */
  pid: number;
  /** Where its sockets are, and nobody else's. */
  socketDir: string;
}

/** A server may write its checkpoint; then it has to go, in any way. */
const checkpointPatienceMs = 10_000;
const quitPatienceMs = 5_000;
const pollMs = 20;

/**
 * Ends what is left of a server whose supervisor is gone, and takes away the
 * lock files of the dead.
 */
export async function endLeftover(leftover: Leftover): Promise<void> {
  const { dataDir, pid, socketDir } = leftover;
  if (!existsSync(dataDir)) return;
  const isPostmaster = () => commandLine(pid).includes(dataDir);
  const began = Date.now();
  if (isPostmaster()) signal(pid, "SIGINT");
  for (;;) {
    // Sessions outlive a killed postmaster until they look up from their work.
    const sessions = postgresIn(dataDir);
    if (!isPostmaster() && sessions.length === 0) break;
    const waited = Date.now() - began;
    if (!isPostmaster() || waited > checkpointPatienceMs) {
      const isTooLong = waited > checkpointPatienceMs + quitPatienceMs;
      const name = isTooLong ? "SIGKILL" : "SIGQUIT";
      for (const one of [pid, ...sessions]) {
        if (one !== pid || isPostmaster()) signal(one, name);
      }
    }
    await delay(pollMs);
  }
  // The pid of a killed server may by now be somebody else's, and Postgres would
  // take that process for its predecessor. Otherwise it knows best what to do.
  if (processStart(pid) !== undefined) {
    rmSync(join(dataDir, "postmaster.pid"), { force: true });
  }
  removeSockets(socketDir);
}

function removeSockets(socketDir: string): void {
  if (!existsSync(socketDir)) return;
  const names = readdirSync(socketDir).filter((name) =>
    name.startsWith(".s.PGSQL.")
  );
  for (const name of names) rmSync(join(socketDir, name), { force: true });
}

/** Every process of a server has its data directory as its working directory. */
function postgresIn(dataDir: string): number[] {
  if (!existsSync("/proc/self")) return [];
  const real = realpathSync(dataDir);
  return readdirSync("/proc").map(Number).filter((pid) =>
    pid > 0 && link(pid, "cwd") === real &&
    /\/postgres( \(deleted\))?$/.test(link(pid, "exe"))
  );
}

function link(pid: number, name: "cwd" | "exe"): string {
  try {
    return readlinkSync(`/proc/${pid}/${name}`);
  } catch {
    // Gone, or another user's.
    return "";
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone in the meantime.
  }
}
