import { command } from "../command.ts";
import type { CheckoutStep } from "../step.ts";

/** No file has a finding of `deno lint`. */
export const lint: CheckoutStep = {
  name: "lint",
  run: (context) => command(context, "deno", "lint"),
};
