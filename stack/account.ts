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
  if (process.platform !== "linux") {
    throw new Error("Start it as an ordinary user: Postgres may not be root's");
  }
  const account = accountOf("postgres") ?? accountOf("nobody");
  if (!account) throw new Error("There is neither a user postgres nor nobody");
  return account;
}

/** The words that run a program as an account, and end it with its parent. */
export function setpriv(
  words: readonly string[],
  account: Account | undefined,
  deathSignal?: "TERM" | "INT" | "KILL",
): string[] {
  const user = account
    ? [`--reuid=${account.uid}`, `--regid=${account.gid}`, "--clear-groups"]
    : [];
  const death = deathSignal ? ["--pdeathsig", deathSignal] : [];
  return ["setpriv", ...user, ...death, "--", ...words];
}

function accountOf(user: string): Account | undefined {
  const [uid, gid] = ["-u", "-g"].map((option) =>
    spawnSync("id", [option, user], { encoding: "utf8" })
  );
  return uid?.status === 0 && gid?.status === 0
    ? { uid: Number(uid.stdout), gid: Number(gid.stdout) }
    : undefined;
}
