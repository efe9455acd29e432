import { command } from "../command.ts";
import type { CheckoutStep } from "../step.ts";

/** Everything that Node runs has sound types. */
export const typesNode: CheckoutStep = {
  name: "types-node",
  run: (context) => command(context, "tsc", "--project", "tsconfig.json"),
};
