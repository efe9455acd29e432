import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LogLine } from "./log.ts";
import type { StateDirs } from "./state-dir.ts";

/**
 * Removes a database whose first start was cut off before its bootstrap was
 * done: no migration has run on it, so it cannot hold anything. Interrupted
 * later, the next start goes on where that one stopped.
 */
export function removeIfUnfinished(dirs: StateDirs, log: LogLine): void {
  const data = join(dirs.postgres, "data");
  const isUnfinished = existsSync(data)
    ? !existsSync(join(data, "stack-bootstrapped"))
    // Not yet named as a database, so initdb was at work.
    : existsSync(`${data}.new`);
  if (!isUnfinished) return;
  log("An earlier first start was interrupted; its database, still empty,");
  log("is made anew");
  rmSync(data, { recursive: true, force: true });
}

/** Notes that a database is there, but not everything that belongs into it. */
export function beginFirstStart(dirs: StateDirs): void {
  writeFileSync(firstStart(dirs), "");
}

/** Whether a first start has begun and not ended. */
export function isFirstStart(dirs: StateDirs): boolean {
  return existsSync(firstStart(dirs));
}

/** Notes that the database has all that a first start brings. */
export function endFirstStart(dirs: StateDirs): void {
  rmSync(firstStart(dirs), { force: true });
}

/** There until the end, not from it on: older databases have no such file. */
function firstStart(dirs: StateDirs): string {
  return join(dirs.postgres, "data", "stack-first-start");
}
