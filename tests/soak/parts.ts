import { readdirSync } from "node:fs";
import process from "node:process";
import { commandLine, parentOf } from "../../stack/process-info.ts";
import type { Chance } from "../support/chance.ts";

/** What can be killed under a running stack. */
export type Part = "function" | "postgrest" | "backend" | "postmaster";

/** All of them, the harmless ones first. */
export const PARTS: readonly Part[] = [
  "function",
  "postgrest",
  "backend",
  "postmaster",
];

/**
 * Sends SIGKILL to one process of this kind of the stack that this process has
 * started; false when there is none right now.
 */
export function kill(part: Part, chance: Chance): boolean {
  const pids = processesOf(part);
  if (pids.length === 0) return false;
  process.kill(chance.pick(pids), "SIGKILL");
  return true;
}

function processesOf(part: Part): number[] {
  const ours = childrenOf(process.pid);
  const postmasters = ours.filter((pid) => / -D .*data$/.test(command(pid)));
  switch (part) {
    case "function":
      return ours.filter((pid) => command(pid).includes("/boot.ts "));
    case "postgrest":
      return ours.filter((pid) => /postgrest[^ ]*$/.test(command(pid)));
    case "postmaster":
      return postmasters;
    case "backend":
      // Those that serve requests: another one would do the same harm.
      return postmasters.flatMap(childrenOf)
        .filter((pid) => command(pid).includes(" authenticator "));
  }
}

const command = commandLine;

function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && parentOf(pid) === parent);
}
