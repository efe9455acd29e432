import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { type Account, postgresAccount, setpriv } from "./account.ts";
import { checkoutDir } from "./paths.ts";
import { chosenServer, type PostgresServer } from "./postgres-server.ts";

/** Where one stack keeps what it has. */
export interface StateDirs {
  /** Log and state file. */
  state: string;
  /** The server that runs the database. */
  server: PostgresServer;
  /** The server's database; elsewhere when Postgres cannot reach `state`. */
  postgres: string;
  /** Unix sockets of Postgres and PostgREST. */
  sockets: string;
  /** Account that Postgres runs as, when we are root. */
  postgresUser: Account | undefined;
}

/** Makes the directories of a stack and returns where they are. */
export function prepareStateDirs(
  stateDir: string,
  server: PostgresServer = chosenServer(),
): StateDirs {
  const postgresUser = postgresAccount();
  const base = makeReachableDir(stateDir, postgresUser);
  // One server cannot read what another has written.
  const postgres = join(base, server.stateName("postgres"));
  makeOwnDir(postgres, 0o700, postgresUser);
  const sockets = socketDir(base);
  makeOwnDir(sockets, 0o700, postgresUser);
  return { state: stateDir, server, postgres, sockets, postgresUser };
}

/**
 * Makes a directory, and another one under /var/tmp if the account cannot enter
 * it; returns the one to use.
 */
export function makeReachableDir(
  dir: string,
  account: Account | undefined,
): string {
  makeOwnDir(dir, 0o755);
  if (!account || canEnter(account, dir)) return dir;
  const other = join("/var/tmp", `fairlane-${shortHash(dir)}`);
  makeOwnDir(other, 0o755);
  return other;
}

/** Where the stand-in for Storage keeps the bytes of files. */
export function storageDir(dirs: StateDirs): string {
  return join(dirs.state, dirs.server.stateName("storage"));
}

/** Removes the socket directory, which is litter when it is under /tmp. */
export function removeSocketDir(dirs: StateDirs): void {
  try {
    rmdirSync(dirs.sockets);
  } catch {
    // Not empty: a part was killed and left its socket. The next start reuses it.
  }
}

/** Removes all that a stack kept which was there for a time. */
export function removeStateDirs({ postgres, sockets, state }: StateDirs): void {
  for (const dir of [postgres, sockets, state]) {
    rmSync(dir, { recursive: true, force: true });
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
  return usable ? natural : join("/tmp", `fairlane-${shortHash(base)}`);
}

function canEnter(account: Account, dir: string): boolean {
  const [program = "", ...args] = setpriv(["test", "-x", dir], account);
  return spawnSync(program, args).status === 0;
}

/** Makes a directory that is surely ours: those under /tmp are open to all. */
function makeOwnDir(dir: string, mode: number, owner?: Account): void {
  try {
    mkdirSync(dir, { recursive: true });
    const self = process.getuid?.() ?? 0;
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
