import { stackEnvironment } from "../../tests/support/stack.ts";
import type { Outcome } from "../outcome.ts";
import type { StackContext, StackStep } from "../step.ts";
import { vitest } from "../vitest.ts";

/** What one transaction cannot show: two sessions at once. */
export const integration: StackStep = {
  name: "integration",
  run: (context) => suite(context, "integration"),
};

/** Random states and random runs: the queue answers and does as its model. */
export const model: StackStep = {
  name: "model",
  run: (context) => suite(context, "model"),
};

/** Every order in which the steps of two transactions can meet. */
export const isolation: StackStep = {
  name: "isolation",
  run: (context) => suite(context, "isolation"),
};

/** Requests as clients send them. */
export const e2e: StackStep = {
  name: "e2e",
  run: (context) => requests(context, "e2e"),
};

/** Every call that a function makes, failing in every way. */
export const faults: StackStep = {
  name: "faults",
  run: (context) => requests(context, "faults"),
};

/** The deployed fleet: what its programs send, and whole jobs run by them. */
export const fleet: StackStep = {
  name: "fleet",
  run: (context) => requests(context, "fleet"),
};

/** What has once gone wrong, replayed. */
export const incidents: StackStep = {
  name: "incidents",
  run: (context) => requests(context, "incidents"),
};

/** Databases from before, brought up to date; each in a stack of its own. */
export const upgrade: StackStep = {
  name: "upgrade",
  run: (context) => suite(context, "upgrade"),
};

/** A suite whose calls count as requests. */
async function requests(context: StackContext, name: string): Promise<Outcome> {
  await context.functionCalls.beginHttp();
  return await suite(context, name);
}

/** Runs a project of vitest on the context's stack. */
export async function suite(
  context: StackContext,
  name: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const env = { ...stackEnvironment(context.stack), ...more };
  const outcome = await vitest(context, name, env);
  if (outcome.failed === 0) return outcome;
  const log = `What the stack did is in ${context.stackLog}`;
  return { ...outcome, report: `${outcome.report}\n${log}` };
}
