import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, lstatSync, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir } from "./paths.ts";

/** Where one stack keeps what it has. */
export interface StateDirs {
  /** Log and state file. */
  state: string;
  /** The database; elsewhere when Postgres cannot reach `state`. */
  postgres: string;
  /** Unix sockets of Postgres and PostgREST. */
  sockets: string;
  /** Account that Postgres runs as, when we are root. */
  postgresUser: string | undefined;
}

/** Makes the directories of a stack and returns where they are. */
export function prepareStateDirs(stateDir: string): StateDirs {
  const postgresUser = process.getuid?.() === 0 ? "postgres" : undefined;
  makeOwnDir(stateDir, 0o755);
  const base = postgresUser && !canEnter(postgresUser, stateDir)
    ? join("/var/tmp", `task-queue-${shortHash(stateDir)}`)
    : stateDir;
  makeOwnDir(base, 0o755);
  const postgres = join(base, "postgres");
  makeOwnDir(postgres, 0o700, postgresUser);
  const sockets = socketDir(base);
  makeOwnDir(sockets, 0o700, postgresUser);
  return { state: stateDir, postgres, sockets, postgresUser };
}

/** Where the stand-in for Storage keeps the bytes of files. */
export function storageDir(dirs: StateDirs): string {
  return join(dirs.state, "storage");
}

/** Removes the socket directory, which is litter when it is under /tmp. */
export function removeSocketDir(dirs: StateDirs): void {
  try {
    rmdirSync(dirs.sockets);
  } catch {
    // Not empty: a part was killed and left its socket. The next start reuses it.
  }
}

/** The state directory that `npm start` uses. */
export function defaultStateDir(): string {
  return join(checkoutDir, ".stack", "dev");
}

/**
 * Directory for the sockets of a stack.
 *
 * The kernel allows a socket 107 bytes of path, and some tools misread a path
 * with spaces or commas; then a short one under /tmp takes its place.
 */
export function socketDir(base: string): string {
  const natural = join(base, "sockets");
  const longest = join(natural, ".s.PGSQL.65535");
  const usable = Buffer.byteLength(longest) <= 107 &&
    /^[A-Za-z0-9._/-]+$/.test(natural);
  return usable ? natural : join("/tmp", `task-queue-${shortHash(base)}`);
}

function canEnter(user: string, dir: string): boolean {
  const asUser = ["--reuid", user, "--regid", user, "--clear-groups"];
  const test = spawnSync("setpriv", [...asUser, "test", "-x", dir]);
  return test.status === 0;
}

interface Account {
  uid: number;
  gid: number;
}

function accountOf(user: string): Account {
  const id = (option: string) => Number(spawnSync("id", [option, user]).stdout);
  return { uid: id("-u"), gid: id("-g") };
}

/** Makes a directory that is surely ours: those under /tmp are open to all. */
function makeOwnDir(dir: string, mode: number, user?: string): void {
  try {
    mkdirSync(dir, { recursive: true });
    const self = process.getuid?.() ?? 0;
    const owner = user ? accountOf(user) : undefined;
    const found = lstatSync(dir);
    if (!found.isDirectory()) throw new Error("it is not a directory");
    if (found.uid !== self && found.uid !== owner?.uid) {
      throw new Error("it belongs to another user");
    }
    if (owner) chownSync(dir, owner.uid, owner.gid);
    chmodSync(dir, mode);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Cannot use state directory ${dir}: ${reason}. ` +
        "If another user started the stack in this checkout, remove it first",
    );
  }
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
