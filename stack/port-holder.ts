import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { commandLine } from "./process-info.ts";

/** The process that listens on a port, as far as this user may see it. */
export interface PortHolder {
  pid: number;
  command: string;
}

/** Says who listens on a port of this machine. */
export function describeHolder(port: number): string {
  const holder = findPortHolder(port);
  return holder
    ? `process ${holder.pid} (${shorten(holder.command)})`
    : "a process that this user may not look into";
}

/**
 * Finds the process that listens on a port.
 *
 * Reads /proc itself: `ss` and `lsof` are not on every machine.
 */
export function findPortHolder(port: number): PortHolder | undefined {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return undefined;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    if (holdsSocket(entry, inodes)) {
      const pid = Number(entry);
      return { pid, command: commandLine(pid) };
    }
  }
  return undefined;
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

function listeningInodes(port: number): Set<string> {
  const listenState = "0A";
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readOrEmpty(table).split("\n").slice(1)) {
      // sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === listenState && local?.endsWith(suffix) && inode) {
        inodes.add(inode);
      }
    }
  }
  return inodes;
}

function holdsSocket(pid: string, inodes: Set<string>): boolean {
  try {
    const dir = `/proc/${pid}/fd`;
    return readdirSync(dir).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readLink(`${dir}/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    // Gone in the meantime, or another user's.
    return false;
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
