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

/** Each part equally often, in random order. */
export function shuffledParts(times: number, chance: Chance): Part[] {
  return PARTS
    .flatMap((part) => Array.from({ length: times }, () => part))
    .map((part) => ({ part, place: chance.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ part }) => part);
}

/**
 * Sends SIGKILL to one process of this kind of the stack that `supervisor` has
 * started, and answers which; undefined when there is none right now.
 */
export function kill(
  part: Part,
  chance: Chance,
  supervisor = process.pid,
): number | undefined {
  const pids = processesOf(part, supervisor);
  if (pids.length === 0) return undefined;
  const pid = chance.pick(pids);
  process.kill(pid, "SIGKILL");
  return pid;
}

/** Pids of all processes of one kind that a supervisor has now. */
export function processesOf(part: Part, supervisor: number): number[] {
  const ours = childrenOf(supervisor);
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

/** Pids of the processes that a process has started itself. */
export function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && parentOf(pid) === parent);
}
