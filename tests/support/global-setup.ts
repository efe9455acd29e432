import { join } from "node:path";
import process from "node:process";
import type { TestProject } from "vitest/node";
import { asGuestIn, startFreshStack } from "../../gate/fresh-stack.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { pauseJobs } from "./pause-jobs.ts";
import { isGuest } from "./profile.ts";
import {
  stack as runningStack,
  STACK_VARIABLE,
  stackEnvironment,
} from "./stack.ts";
import { addTypes } from "./types-of-tests.ts";

/**
 * Starts a stack for suites that were started without one, so that
 * `npx vitest run --project e2e` works alone, also beside another suite.
 */
export default async function setup(
  project: TestProject,
): Promise<(() => Promise<void>) | void> {
  const resting = { mayResume: project.name === "cron" };
  if (process.env[STACK_VARIABLE] !== undefined) {
    await pauseJobs(runningStack().adminDbUrl, resting);
    await addTypes(runningStack().adminDbUrl);
    return;
  }
  const name = `alone-${project.name}${isGuest ? "-of-a-guest" : ""}`;
  const stateDir = join(checkoutDir, ".stack", name);
  const more = isGuest ? asGuestIn(stateDir) : {};
  const stack = await startFreshStack(stateDir, undefined, more);
  await pauseJobs(stack.adminDbUrl, resting);
  await addTypes(stack.adminDbUrl);
  // Test processes are forked later and inherit this.
  Object.assign(process.env, stackEnvironment(stack));
  return async () => {
    delete process.env[STACK_VARIABLE];
    await stack.stop();
  };
}
