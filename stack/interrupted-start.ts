import { existsSync, rmSync } from "node:fs";
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
  if (!existsSync(data) || existsSync(join(data, "stack-bootstrapped"))) return;
  log("An earlier first start was interrupted; its database, still empty,");
  log("is made anew");
  rmSync(data, { recursive: true, force: true });
}
