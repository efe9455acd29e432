import { readFileSync } from "node:fs";
import { commandLine } from "../../stack/process-info.ts";
import { childrenOf, processesOf } from "../survival/parts.ts";

/** What one part of a stack takes. */
export interface PartMemory {
  readonly part: string;
  readonly processes: number;
  /** Shared pages are divided among those who share them. */
  readonly megabytes: number;
}

/** Memory of each part of the stack below this supervisor. */
export function memoryOf(supervisor: number): PartMemory[] {
  const [postmaster] = processesOf("postmaster", supervisor);
  const server = postmaster === undefined
    ? []
    : [postmaster, ...childrenOf(postmaster)];
  const functions = processesOf("function", supervisor).map((pid) =>
    measure(`function ${functionName(pid)}`, [pid])
  );
  return [
    measure("Postgres", server),
    measure("PostgREST", processesOf("postgrest", supervisor)),
    measure("gateway and supervisor", [supervisor]),
    ...functions,
  ];
}

function measure(part: string, pids: readonly number[]): PartMemory {
  const kilobytes = pids.map(proportional).reduce((a, b) => a + b, 0);
  return { part, processes: pids.length, megabytes: kilobytes / 1024 };
}

function proportional(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return Number(/^Pss: +(\d+)/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function functionName(pid: number): string {
  return /functions\/([^/]+)\/index\.ts/.exec(commandLine(pid))?.[1] ?? "";
}
