import { readFileSync } from "node:fs";

/**
 * When a process began, in clock ticks since boot; undefined when it is gone.
 *
 * Pid and beginning together name a process for good: a pid alone is reused.
 */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command in field 2 may hold spaces and brackets, so count from its end.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const isZombie = fields[0] === "Z";
    return isZombie ? undefined : fields[19];
  } catch {
    return undefined;
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
