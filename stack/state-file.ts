import {
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { processStart } from "./process-info.ts";

const stackState = z.object({
  pid: z.number(),
  /** Together with the pid it names the process for good. */
  processStart: z.string(),
  phase: z.enum(["starting", "ready", "resetting", "broken"]),
  apiPort: z.number().optional(),
  dbPort: z.number().optional(),
  /** Resets that have ended, well or badly. */
  resets: z.number(),
  error: z.string().optional(),
  /** What whoever started it should know, such as another port. */
  notes: z.array(z.string()).default([]),
});

/** What a running stack says about itself to other processes. */
export type StackState = z.infer<typeof stackState>;

/** What changes in the course of a run. */
export interface StateChange {
  phase: StackState["phase"];
  apiPort?: number;
  dbPort?: number;
  resets?: number;
  notes?: string[];
  /** Absent = there is none any more. */
  error?: string;
}

/** A state directory that belongs to this process for now. */
export interface Claim {
  update(change: StateChange): void;
  release(): void;
}

/** Another live stack has this state directory. */
export class AlreadyRunning extends Error {
  constructor(state: StackState | undefined) {
    const { pid, apiPort, phase } = state ?? {};
    const process = pid === undefined ? "" : ` (process ${pid})`;
    const where = apiPort === undefined
      ? "starting"
      : `${phase} on http://127.0.0.1:${apiPort}`;
    super(
      `The stack of this checkout is already there${process}, ${where}. ` +
        '"npm run stack -- status" prints its addresses and keys, ' +
        '"npm run stack -- stop" stops it',
    );
  }
}

/** Takes a state directory; throws when a live stack has it. */
export function claimStateDir(stateDir: string): Claim {
  const running = readState(stateDir);
  if (running) throw new AlreadyRunning(running);
  const path = stateFile(stateDir);
  const own = `${path}.${process.pid}`;
  let state: StackState = {
    pid: process.pid,
    processStart: processStart(process.pid) ?? "",
    phase: "starting",
    resets: 0,
    notes: [],
  };
  // What is left is of a dead process.
  rmSync(path, { force: true });
  writeFileSync(own, JSON.stringify(state));
  try {
    // Fails when another start was quicker, which a plain write would not.
    linkSync(own, path);
  } catch {
    throw new AlreadyRunning(readState(stateDir));
  } finally {
    rmSync(own, { force: true });
  }
  return {
    update(change) {
      const { error: _, ...kept } = state;
      state = { ...kept, ...change };
      // Renamed into place, so that nobody reads half a file.
      writeFileSync(own, JSON.stringify(state));
      renameSync(own, path);
    },
    release: () => rmSync(path, { force: true }),
  };
}

/** State of the live stack in a directory; undefined when none runs. */
export function readState(stateDir: string): StackState | undefined {
  try {
    const text = readFileSync(stateFile(stateDir), "utf8");
    const state = stackState.parse(JSON.parse(text));
    return processStart(state.pid) === state.processStart ? state : undefined;
  } catch {
    return undefined;
  }
}

function stateFile(stateDir: string): string {
  return join(stateDir, "stack.json");
}
