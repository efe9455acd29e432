import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/** What can be told about the processes of this machine. */
export interface ProcessInfo {
  /**
   * When a process began, in words of the system; undefined when it is gone.
   *
   * Pid and beginning together name a process for good: a pid alone is reused.
   */
  processStart(pid: number): string | undefined;
  /** Pid of the parent of a process; undefined when the process is gone. */
  parentOf(pid: number): number | undefined;
  /** The command of a process with its arguments; empty when it is gone. */
  commandLine(pid: number): string;
}

/** As Linux tells it, without starting a program. */
export const fromProc: ProcessInfo = {
  processStart(pid) {
    const fields = statFields(pid);
    const isZombie = fields[0] === "Z";
    return isZombie ? undefined : fields[19];
  },
  parentOf(pid) {
    const parent = statFields(pid)[1];
    return parent === undefined ? undefined : Number(parent);
  },
  commandLine(pid) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const text = words.replaceAll("\0", " ").trim();
      return text || readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    } catch {
      return "";
    }
  },
};

/** As every Unix tells it; for systems without /proc. */
export const fromPs: ProcessInfo = {
  processStart(pid) {
    const isZombie = ps(pid, "stat").startsWith("Z");
    return isZombie ? undefined : ps(pid, "lstart") || undefined;
  },
  parentOf(pid) {
    const parent = ps(pid, "ppid");
    return parent === "" ? undefined : Number(parent);
  },
  commandLine: (pid) => ps(pid, "args"),
};

export const { processStart, parentOf, commandLine } =
  existsSync("/proc/self/stat") ? fromProc : fromPs;

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

function ps(pid: number, field: string): string {
  const env = { ...process.env, LC_ALL: "C" };
  const asked = ["-ww", "-o", `${field}=`, "-p", String(pid)];
  return spawnSync("ps", asked, { encoding: "utf8", env }).stdout?.trim() ?? "";
}
