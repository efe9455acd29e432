import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromProc, fromPs } from "./process-info.ts";

let child: ChildProcess;
let pid: number;

beforeAll(async () => {
  child = spawn("sleep", ["77"]);
  await once(child, "spawn");
  pid = child.pid ?? 0;
});
afterAll(() => child.kill());

const hasProc = existsSync("/proc/self/stat");
const hasPs = spawnSync("ps", ["-p", "1"]).error === undefined;

describe.each([
  ["fromProc (needs /proc)", hasProc, fromProc],
  ["fromPs (needs ps)", hasPs, fromPs],
])("%s", (_what, isHere, info) => {
  it.runIf(isHere)("knows parent and command of a process", async () => {
    expect(info.parentOf(pid)).toBe(process.pid);
    // On a busy machine it may not be the program yet that it becomes.
    await expect.poll(() => info.commandLine(pid), { timeout: 60_000 })
      .toBe("sleep 77");
  });

  it.runIf(isHere)("always says the same of when it began", () => {
    expect(info.processStart(pid)).toBeTruthy();
    expect(info.processStart(pid)).toBe(info.processStart(pid));
  });

  it.runIf(isHere)("knows nothing of a process that has gone", async () => {
    const gone = spawn("true");
    await once(gone, "close");
    const dead = gone.pid ?? 0;
    expect(info.processStart(dead)).toBeUndefined();
    expect(info.parentOf(dead)).toBeUndefined();
    expect(info.commandLine(dead)).toBe("");
  });
});
