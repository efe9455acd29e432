import { command } from "../command.ts";
import type { CheckoutStep } from "../step.ts";

/** Every file is formatted as deno.json says. */
export const format: CheckoutStep = {
  name: "fmt",
  run: (context) => command(context, "deno", "fmt", "--check"),
};
