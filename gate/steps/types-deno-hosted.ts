import { denoRuntime } from "../../stack/deno-runtime.ts";
import { hasHostedDeno } from "../../stack/paths.ts";
import { fails, passes, skips } from "../outcome.ts";
import type { CheckoutStep } from "../step.ts";
import { denoEntries, FUNCTIONS } from "./types-deno.ts";

/** Why something was not tried with Deno 2.1. */
export const NO_HOSTED_DENO = "package.json has Deno 2.1 for Linux x64 only";

/** The same types, as the Deno that the hosted runtime is built on sees them. */
export const typesDenoHosted: CheckoutStep = {
  name: "types-deno-2.1",
  async run({ root, run }) {
    if (!hasHostedDeno) return skips(NO_HOSTED_DENO);
    const { program, cacheDir } = denoRuntime("2.1");
    const { ok, output } = await run(program, [
      ...["check", "--quiet", "--no-lock"],
      `--config=${FUNCTIONS}/deno.json`,
      ...denoEntries(root),
    ], {
      env: {
        DENO_DIR: cacheDir,
        DENO_NO_UPDATE_CHECK: "1",
        // It fetches types of Node's modules the first time.
        DENO_TLS_CA_STORE: "system",
      },
    });
    return ok ? passes() : fails(output);
  },
};
