import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { denoCacheDir } from "../../stack/paths.ts";
import { fails, passes } from "../outcome.ts";
import type { CheckoutStep } from "../step.ts";

const FUNCTIONS = "supabase/functions";

/** What else Deno runs: the kit for workers is for Deno and Node alike. */
const CLIENTS = ["examples/worker.ts", "examples/autoscaler.ts"];

/** Functions and clients, with all they import, have sound types under Deno. */
export const typesDeno: CheckoutStep = {
  name: "types-deno",
  async run({ root, run }) {
    const entries = readdirSync(join(root, FUNCTIONS))
      .map((name) => `${FUNCTIONS}/${name}/index.ts`)
      .filter((file) => existsSync(join(root, file)));
    if (entries.length === 0) {
      return fails(`No function in ${FUNCTIONS}`);
    }
    const { ok, output } = await run("deno", [
      ...["check", "--frozen"],
      // Without it Deno would take the packages in node_modules.
      `--config=${FUNCTIONS}/deno.json`,
      ...entries,
      ...CLIENTS,
    ], { env: { DENO_DIR: denoCacheDir } });
    return ok ? passes() : fails(output);
  },
};
