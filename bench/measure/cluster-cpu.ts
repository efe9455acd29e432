import { allProcesses, processCpu } from "./process-cpu.ts";

/**
 * CPU time of a whole Postgres cluster in ms, background processes included,
 * found by one of its backends.
 */
export function clusterCpu(backendPid: number): () => number {
  const postmaster = processCpu(backendPid)?.parent;
  if (postmaster === undefined) {
    throw new Error(`No backend ${backendPid} on this machine`);
  }
  return () =>
    allProcesses()
      .filter(({ pid, parent }) => pid === postmaster || parent === postmaster)
      .reduce((sum, { pid, cpuMs, endedChildrenMs }) =>
        sum + cpuMs + (pid === postmaster ? endedChildrenMs : 0), 0);
}

/** CPU time in ms of a process and all below it whose name is among these. */
export function treeCpu(root: number, names: readonly string[]): number {
  const processes = allProcesses();
  const members = new Set([root]);
  // Parents are older than their children, but pids wrap around: go until still.
  for (let before = 0; before < members.size;) {
    before = members.size;
    for (const { pid, parent } of processes) {
      if (members.has(parent)) members.add(pid);
    }
  }
  return processes
    .filter(({ pid, name }) => members.has(pid) && names.includes(name))
    .reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}
