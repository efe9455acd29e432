import type { CheckoutStep } from "../step.ts";
import { vitest } from "../vitest.ts";

/** What `integration` does with fewer rows than are promised; on its own stack. */
export const integrationInFull: CheckoutStep = {
  name: "integration-in-full",
  run: (context) =>
    vitest(context, "integration", { SIZES: "full" }, [
      ...["kills", "mending", "plans"],
    ]),
};

/** `npm start` itself: what keeps it from starting, and killed as a whole. */
export const starts: CheckoutStep = {
  name: "starts",
  run: (context) => vitest(context, "starts"),
};
