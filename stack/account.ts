import { spawnSync } from "node:child_process";
import process from "node:process";

/** A user of this machine, by numbers. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The account that Postgres runs as, which may not be root's; undefined = our
 * own, when we are not root. Debian's packages make `postgres`; every system has
 * `nobody`.
 */
export function postgresAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const account = accountOf("postgres") ?? accountOf("nobody");
  if (!account) throw new Error("There is neither a user postgres nor nobody");
  return account;
}

function accountOf(user: string): Account | undefined {
  const [uid, gid] = ["-u", "-g"].map((option) =>
    spawnSync("id", [option, user], { encoding: "utf8" })
  );
  return uid?.status === 0 && gid?.status === 0
    ? { uid: Number(uid.stdout), gid: Number(gid.stdout) }
    : undefined;
}
