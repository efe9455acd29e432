import process from "node:process";

/**
 * Whom the tests run for: the fleet, or with `PROFILE=guest` a project that has
 * the queue as a guest. Then the database is the guest's, tests are read in its
 * names (vitest.config.ts), and the function `fairlane` is the only way in.
 */
export const isGuest = process.env["PROFILE"] === "guest";

/** Where the Data API has the queue. */
export const API_SCHEMA = isGuest ? "fairlane" : "public";

/** With which headers it is asked there: the first of its schemas needs none. */
export const profileHeaders: Readonly<Record<string, string>> = isGuest
  ? { "accept-profile": API_SCHEMA, "content-profile": API_SCHEMA }
  : {};

/**
 * What of tests/e2e guests leave out: the kit and the demo call the deployed
 * names, and what `router-of-guests` tries beside the fleet is all of their run.
 */
export const NOT_FOR_GUESTS: readonly string[] = [
  "tests/e2e/demo.test.ts",
  "tests/e2e/examples.test.ts",
  "tests/e2e/router-of-guests.test.ts",
  "tests/e2e/worker-kit.test.ts",
  "tests/e2e/worker-kit-runtimes.test.ts",
  "tests/e2e/worker-with-a-token.test.ts",
];

/** A table of the queue, by the name that the fleet has for it. */
export function tableOf(name: string): string {
  return `${API_SCHEMA}.${isGuest && name === "users" ? "owners" : name}`;
}

/** Whether this endpoint is there: two are for the fleet's payloads. */
export function isServed(name: string): boolean {
  return !isGuest ||
    !["get-completed-segments", "update-shot-pair-prompts"].includes(name);
}

/** Names that deployed clients use; the router has each endpoint once. */
const ALIASES: Readonly<Record<string, string>> = {
  "complete_task": "complete-task",
};

/** The path of an endpoint below `/functions/v1`. */
export function pathOf(name: string): string {
  return isGuest ? `/fairlane/${ALIASES[name] ?? name}` : `/${name}`;
}

/** The function that serves an endpoint. */
export function functionOf(name: string): string {
  return isGuest ? "fairlane" : name;
}
