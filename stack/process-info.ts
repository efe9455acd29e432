import { readFileSync } from "node:fs";

/**
 * When a process began, in clock ticks since boot; undefined when it is gone.
 *
 * Pid and beginning together name a process for good: a pid alone is reused.
 */
export function processStart(pid: number): string | undefined {
  const fields = statFields(pid);
  const isZombie = fields[0] === "Z";
  return isZombie ? undefined : fields[19];
}

/** Pid of the parent of a process; undefined when the process is gone. */
export function parentOf(pid: number): number | undefined {
  const parent = statFields(pid)[1];
  return parent === undefined ? undefined : Number(parent);
}

/** Fields of /proc/<pid>/stat from the third, the state, onwards. */
function statFields(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command, field 2, may hold spaces and brackets: count from its end.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

/** The command of a process with its arguments; empty when it is gone. */
export function commandLine(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    const text = words.replaceAll("\0", " ").trim();
    return text || readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
