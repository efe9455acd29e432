import type { CheckoutStep } from "../step.ts";
import { vitest } from "../vitest.ts";

/** pg_cron itself, which begins with the next minute; on a stack of its own. */
export const cron: CheckoutStep = {
  name: "cron",
  run: (context) => vitest(context, "cron"),
};
