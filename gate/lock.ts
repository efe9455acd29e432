import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { commandLine } from "../stack/process-info.ts";

/** Keeps a second run out of the same folder; answers how to let go. */
export function lock(workDir: string): () => void {
  const file = join(workDir, "gate.pid");
  mkdirSync(workDir, { recursive: true });
  const holder = Number(read(file));
  // The pid of a run that was killed may belong to something else by now.
  if (holder && commandLine(holder).includes("gate/main.ts")) {
    throw new Error(
      `Another run (process ${holder}) uses ${workDir}: wait for its end`,
    );
  }
  writeFileSync(file, String(process.pid));
  return () => rmSync(file, { force: true });
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
