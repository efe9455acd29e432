import { hasHostedDeno } from "../../stack/paths.ts";
import { skips, total } from "../outcome.ts";
import type { StackStep } from "../step.ts";
import { proveDatabase } from "./database.ts";
import { NO_HOSTED_DENO } from "./types-deno-hosted.ts";
import { suite } from "./suites-on-the-stack.ts";

/** pgTAP on Postgres 17 under strict grants: each of the `database` checks. */
export const databaseAsHosted: StackStep = {
  name: "database-as-hosted",
  run: proveDatabase,
};

/** Requests to functions that run on Deno 2.1, under strict grants; in full. */
export const e2eAsHosted: StackStep = {
  name: "e2e-as-hosted",
  async run(context) {
    const outcome = await suite(context, "e2e", { SIZES: "full" });
    return hasHostedDeno
      ? outcome
      : total([outcome, skips(`e2e-as-hosted on Deno 2.1: ${NO_HOSTED_DENO}`)]);
  },
};
