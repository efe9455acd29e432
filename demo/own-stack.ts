import { join } from "node:path";
import { checkoutDir } from "../stack/paths.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { prepareStateDirs, removeStateDirs } from "../stack/state-dir.ts";
import { AlreadyRunning, readState } from "../stack/state-file.ts";

const stateDir = join(checkoutDir, ".stack", "demo");

/** A stack that is there for one demo. */
export interface DemoStack extends Stack {
  /** Stops it and deletes what it kept. */
  discard(): Promise<void>;
}

/** Starts one on free ports, with an empty queue. */
export async function startOwnStack(): Promise<DemoStack> {
  const running = readState(stateDir);
  if (running) {
    throw new Error(
      `A demo runs in this checkout already (process ${running.pid}). ` +
        "Wait for its end, or stop it with Ctrl-C",
    );
  }
  try {
    const stack = await startStack({ stateDir, fresh: true });
    return { ...stack, discard: () => stack.stop().finally(removeAll) };
  } catch (error) {
    // Then what is there belongs to another demo, which was quicker.
    if (!(error instanceof AlreadyRunning)) removeAll();
    throw error;
  }
}

function removeAll(): void {
  removeStateDirs(prepareStateDirs(stateDir));
}
