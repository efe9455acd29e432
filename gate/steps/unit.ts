import type { CheckoutStep } from "../step.ts";
import { vitest } from "../vitest.ts";

/** Tests that need nothing but the files. */
export const unit: CheckoutStep = {
  name: "unit",
  run: (context) => vitest(context, "unit"),
};
