import { join } from "node:path";
import process from "node:process";
import { startFreshStack } from "../../gate/fresh-stack.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { pauseJobs } from "./pause-jobs.ts";
import {
  stack as runningStack,
  STACK_VARIABLE,
  stackEnvironment,
} from "./stack.ts";

const stateDir = join(checkoutDir, ".stack", "test-alone");

/**
 * Starts a stack for suites that were started without one, so that
 * `npx vitest run --project e2e` works alone.
 */
export default async function setup(): Promise<(() => Promise<void>) | void> {
  if (process.env[STACK_VARIABLE] !== undefined) {
    return await pauseJobs(runningStack().adminDbUrl);
  }
  const stack = await startFreshStack(stateDir);
  await pauseJobs(stack.adminDbUrl);
  // Test processes are forked later and inherit this.
  Object.assign(process.env, stackEnvironment(stack));
  return async () => {
    delete process.env[STACK_VARIABLE];
    await stack.stop();
  };
}
