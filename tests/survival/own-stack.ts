import { join } from "node:path";
import { checkoutDir } from "../../stack/paths.ts";
import { removeDatabase } from "../../stack/postgres.ts";
import { type Stack, startStack } from "../../stack/stack.ts";
import { prepareStateDirs, removeStateDirs } from "../../stack/state-dir.ts";
import { pauseJobs } from "../support/pause-jobs.ts";

/** A stack of its own, whose processes may be killed. */
export interface OwnStack extends Stack {
  /** Stops it and deletes what it kept. */
  discard(): Promise<void>;
}

/** Starts one with an empty database that keeps its word, and without jobs. */
export async function startOwnStack(
  name: string,
  onLog: (line: string) => void = () => {},
): Promise<OwnStack> {
  const stateDir = join(checkoutDir, ".stack", name);
  await removeDatabase(prepareStateDirs(stateDir));
  const stack = await startStack({ stateDir, durable: true, onLog });
  await pauseJobs(stack.adminDbUrl);
  return {
    ...stack,
    async discard() {
      await stack.stop();
      removeStateDirs(prepareStateDirs(stateDir));
    },
  };
}
