import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { denoCacheDir } from "../../stack/paths.ts";
import { fails, passes } from "../outcome.ts";
import type { CheckoutStep } from "../step.ts";

/** Where the functions are, from the checkout's folder. */
export const FUNCTIONS = "supabase/functions";

/** All endpoints at once, for readers and tests; no function imports it. */
const TABLE = `${FUNCTIONS}/_fairlane/endpoints.ts`;

/** What else Deno runs: the kit for workers is for Deno and Node alike. */
const CLIENTS = ["examples/worker.ts", "examples/autoscaler.ts"];

/** The files that Deno is given: all others are imported by these. */
export function denoEntries(root: string): string[] {
  const functions = readdirSync(join(root, FUNCTIONS))
    .map((name) => `${FUNCTIONS}/${name}/index.ts`)
    .filter((file) => existsSync(join(root, file)));
  if (functions.length === 0) throw new Error(`No function in ${FUNCTIONS}`);
  return [...functions, TABLE, ...CLIENTS];
}

/** Functions and clients, with all they import, have sound types under Deno. */
export const typesDeno: CheckoutStep = {
  name: "types-deno",
  async run({ root, run }) {
    const { ok, output } = await run("deno", [
      ...["check", "--frozen"],
      // Without it Deno would take the packages in node_modules.
      `--config=${FUNCTIONS}/deno.json`,
      ...denoEntries(root),
    ], { env: { DENO_DIR: denoCacheDir } });
    return ok ? passes() : fails(output);
  },
};
