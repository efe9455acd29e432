import process from "node:process";
import { allProcesses, processCpu } from "./process-cpu.ts";

/** CPU time in ms since some moment in the past; only differences mean anything. */
export interface CpuReading {
  /** The whole Postgres cluster, background processes included. */
  database: number;
  /** What this process started, but for the database and itself. */
  http: number;
}

/** Reads the CPU time of the cluster that this backend belongs to. */
export function cpuMeter(backendPid: number): () => CpuReading {
  const postmaster = processCpu(backendPid)?.parent;
  if (postmaster === undefined) {
    throw new Error(`No backend ${backendPid} on this machine`);
  }
  return () => {
    const reading = { database: 0, http: 0 };
    const processes = allProcesses();
    const ours = descendants(processes, process.pid);
    for (const { pid, parent, name, cpuMs, endedChildrenMs } of processes) {
      if (pid === postmaster) reading.database += cpuMs + endedChildrenMs;
      else if (parent === postmaster) reading.database += cpuMs;
      else if (ours.has(pid) && name !== "postgres") reading.http += cpuMs;
    }
    return reading;
  };
}

function descendants(
  processes: { pid: number; parent: number }[],
  root: number,
): Set<number> {
  const found = new Set<number>();
  // Pids wrap around, so a child may be listed before its parent: go until still.
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const { pid, parent } of processes) {
      if (parent === root || found.has(parent)) found.add(pid);
    }
  }
  return found;
}
