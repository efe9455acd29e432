import { existsSync } from "node:fs";
import { join } from "node:path";
import { hasHostedDeno } from "../../stack/paths.ts";
import { chosenServer, describeChoice } from "../../stack/postgres-server.ts";
import { stackEnvironment } from "../../tests/support/stack.ts";
import { fails, type Outcome, skips, total } from "../outcome.ts";
import type { CheckoutStep, StackContext, StackStep } from "../step.ts";
import { vitest } from "../vitest.ts";
import { NO_HOSTED_DENO } from "./types-deno-hosted.ts";

/** Tests that need nothing but the files. */
export const unit = alone("unit");

/** What `supabase functions deploy` would upload is complete. */
export const deploy = alone("deploy");

/** pg_cron itself, which begins with the next minute; on a stack of its own. */
export const cron = alone("cron");

/** The same jobs, which a guest has asked for. */
export const jobsOfAGuest: CheckoutStep = {
  name: "jobs-of-a-guest",
  async run(context) {
    const outcome = await vitest(context, "cron", { PROFILE: "guest" });
    return chosenServer().hasCron ? outcome : total([
      outcome,
      skips(`jobs-of-a-guest by the real pg_cron: ${describeChoice()}`),
    ]);
  },
};

/** `npm start` itself: what keeps it from starting, and killed as a whole. */
export const starts = alone("starts");

/** What `integration` does with fewer rows than are promised; on its own stack. */
export const integrationInFull: CheckoutStep = {
  name: "integration-in-full",
  run: (context) =>
    vitest(context, "integration", { SIZES: "full" }, [
      ...["kills", "repair", "plans"],
    ]),
};

/** The packed command in projects that others have. */
export const adopt: CheckoutStep = {
  name: "adopt",
  run: (context) => vitest(context, "adopt", { SIZES: "full" }),
};

/** What one transaction cannot show: two sessions at once. */
export const integration = onTheStack("integration");

/** Databases from before, brought up to date; each in a stack of its own. */
export const upgrade = onTheStack("upgrade");

/** Random states and random runs: the queue answers and does as its model. */
export const model = onTheStack("model");

/** The same of a guest's queue, on a database of its own; fewer of them. */
export const modelOfAGuest: CheckoutStep = {
  name: "model-of-a-guest",
  run: (context) =>
    vitest(context, "model", {
      PROFILE: "guest",
      MODEL_RUNS: "60",
      CLEANING_ROWS: "300",
    }),
};

/** Every order in which the steps of two transactions can meet. */
export const isolation = onTheStack("isolation");

/** Requests as clients send them. */
export const e2e = requests("e2e");

/** Every call that a function makes, failing in every way. */
export const faults = requests("faults");

/** The deployed fleet: what its programs send, and whole jobs run by them. */
export const fleet = requests("fleet");

/** What has once gone wrong, replayed. */
export const incidents = requests("incidents");

/** The same requests in a project that has the queue as a guest, on Deno 2.1 and under strict grants; in full. */
export const e2eOfAGuest: StackStep = {
  name: "e2e-of-a-guest",
  async run(context) {
    const env = { SIZES: "full", PROFILE: "guest" };
    return onHostedDeno("e2e-of-a-guest", await suite(context, "e2e", env));
  },
};

/** Every deployed endpoint, every kind of caller, files and the Data API: what the fleet has left to try there. */
const SMOKE = [
  "tests/e2e/callers.test.ts",
  "tests/e2e/complete-files.test.ts",
  "tests/e2e/data-api-orchestrator.test.ts",
  "tests/e2e/openapi.test.ts",
];

/** Some requests of the fleet to functions that run on Deno 2.1, under strict grants. */
export const e2eAsHosted: StackStep = {
  name: "e2e-as-hosted",
  async run(context) {
    const gone = SMOKE.filter((file) => !existsSync(join(context.root, file)));
    if (gone.length > 0) return fails(`There is no ${gone.join(", ")}`);
    const outcome = await suite(context, "e2e", {}, SMOKE);
    return onHostedDeno("e2e-as-hosted", outcome);
  },
};

function onHostedDeno(name: string, outcome: Outcome): Outcome {
  if (hasHostedDeno) return outcome;
  return total([outcome, skips(`${name} on Deno 2.1: ${NO_HOSTED_DENO}`)]);
}

function alone(name: string): CheckoutStep {
  return { name, run: (context) => vitest(context, name) };
}

function onTheStack(name: string): StackStep {
  return { name, run: (context) => suite(context, name) };
}

/** A suite whose calls count as requests. */
function requests(name: string): StackStep {
  return {
    name,
    async run(context) {
      await context.functionCalls.beginHttp();
      return await suite(context, name);
    },
  };
}

/** Runs a project of vitest on the context's stack. */
async function suite(
  context: StackContext,
  name: string,
  more: Readonly<Record<string, string>> = {},
  files: readonly string[] = [],
): Promise<Outcome> {
  const env = { ...stackEnvironment(context.stack), ...more };
  const outcome = await vitest(context, name, env, files);
  if (outcome.failed === 0) return outcome;
  const log = `What the stack did is in ${context.stackLog}`;
  return { ...outcome, report: `${outcome.report}\n${log}` };
}
