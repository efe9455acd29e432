import { readdirSync, readFileSync } from "node:fs";

/** Linux counts CPU time of ended children and of threads in these. */
const MS_PER_TICK = 10;

/** One process as /proc describes it. */
export interface ProcessCpu {
  pid: number;
  parent: number;
  name: string;
  /** Its own time on a processor, all threads. */
  cpuMs: number;
  /** That of its children that have ended. */
  endedChildrenMs: number;
}

/** Every process there is now. */
export function allProcesses(): ProcessCpu[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processCpu(Number(name)))
    .filter((process) => process !== undefined);
}

/** One process; undefined when it has gone. */
export function processCpu(pid: number): ProcessCpu | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (!stat) return undefined;
  // The name is in parentheses and may itself contain any character.
  const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const at = (field: number) => Number(fields[field - 3]);
  const isPostgres = name === "postgres";
  return {
    pid,
    parent: at(4),
    name,
    cpuMs: (isPostgres ? nanoseconds(pid) : undefined) ??
      (at(14) + at(15)) * MS_PER_TICK,
    endedChildrenMs: (at(16) + at(17)) * MS_PER_TICK,
  };
}

/**
 * The scheduler's own count, exact to the nanosecond, where the kernel keeps it.
 * It is that of one thread, which is all that a Postgres process has.
 */
function nanoseconds(pid: number): number | undefined {
  const onCpu = read(`/proc/${pid}/schedstat`)?.split(" ")[0];
  return onCpu === undefined ? undefined : Number(onCpu) / 1e6;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
