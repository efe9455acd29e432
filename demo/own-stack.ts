import { rmSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir } from "../stack/paths.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { prepareStateDirs } from "../stack/state-dir.ts";

const stateDir = join(checkoutDir, ".stack", "demo");

/** A stack that is there for one demo. */
export interface DemoStack extends Stack {
  /** Stops it and deletes what it kept. */
  discard(): Promise<void>;
}

/** Starts one on free ports, with an empty queue. */
export async function startOwnStack(): Promise<DemoStack> {
  const stack = await startStack({ stateDir, fresh: true });
  return {
    ...stack,
    async discard() {
      await stack.stop();
      const { postgres, sockets, state } = prepareStateDirs(stateDir);
      for (const dir of [postgres, sockets, state]) {
        rmSync(dir, { recursive: true, force: true });
      }
    },
  };
}
